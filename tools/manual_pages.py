"""What `make docs` adds to the pages of docs/: a reference page for each room of the package, and links to the source.

A hook of MkDocs, named in mkdocs.yml. A reference page lists all names that a room exports, in the order of its
modules, so that none is forgotten. A link that leaves docs/ works in a checkout, not in the manual; there it becomes
the path.
"""

from __future__ import annotations

import ast
import logging
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hvqcgic"
TOP = "|".join(re.escape(path.name) for path in ROOT.iterdir() if path.name not in ("docs", "build"))
LEAVES_DOCS = re.compile(rf"\[([^\]]+)\]\(((?:\.\./)+(?:{TOP})\b[^)]*)\)")

log = logging.getLogger("mkdocs.hooks.manual_pages")


def exports(room: Path) -> list[str]:
    """Names that a room exports, with their modules, from the imports for type checkers in its `__init__.py`."""
    for node in ast.parse((room / "__init__.py").read_text("utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            lines = [line for line in node.body if isinstance(line, ast.ImportFrom)]
            return [f"{line.module}.{alias.name}" for line in lines for alias in line.names]
    return []


def rooms() -> list[Path]:
    """Folders of the package that export names."""
    return [path.parent for path in sorted(PACKAGE.glob("*/__init__.py")) if exports(path.parent)]


def room_page(room: Path) -> str:
    """A reference page, in Markdown."""
    name = f"hvqcgic.{room.name}"
    what, _, borders = (ast.get_docstring(ast.parse((room / "__init__.py").read_text("utf-8"))) or "").partition("\n")
    entries = (f"::: {entry}" for entry in exports(room))
    return "\n\n".join([f"# {name}", what, borders.strip(), *entries, ""])


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of the rooms below the reference in the navigation."""
    assert config.nav
    pages = [{room.name: f"api/{room.name}.md"} for room in rooms()]
    config.nav[-1] = {"Reference": ["api/index.md", *pages]}
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages of the rooms."""
    for room in rooms():
        files.append(File.generated(config, f"api/{room.name}.md", content=room_page(room)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Turn links that leave docs/ into paths; a path that is not there is a warning, an error in strict builds."""

    def as_path(link: re.Match[str]) -> str:
        place = ((ROOT / "docs" / page.file.src_uri).parent / link[2].partition("#")[0]).resolve()
        if not place.exists():
            log.warning("%s: %s is not there", page.file.src_uri, link[2])
        return f"`{place.relative_to(ROOT)}`"

    return LEAVES_DOCS.sub(as_path, markdown)
