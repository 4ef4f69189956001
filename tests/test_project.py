"""The project's own description agrees with itself, and with what the code imports."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import hvqcgic
from hvqcgic.extras.packages import PACKAGE_OF

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LIGHT = {"torch", "numpy", "pillow", "safetensors", "constriction", "rich"}
NOT_FREE = "iqa"
"""The extra whose licence not everyone can accept; it is not in `all`, and not tested."""
TESTED = {
    canonicalize_name(name): pinned
    for name, _, pinned in (
        line.partition("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    )
    if pinned
}


def packages_of(lines: list[str]) -> set[str]:
    return {str(canonicalize_name(Requirement(line).name)) for line in lines} - {"hvqcgic"}


def brought_by(*extras: str) -> set[str]:
    """Packages of extras, and of the extras within them."""
    lines = [line for extra in extras for line in EXTRAS[extra]]
    within = [found for line in lines if (found := Requirement(line)).name == "hvqcgic"]
    return packages_of(lines).union(*(brought_by(*found.extras) for found in within))


TESTED_LINES = {*PROJECT["dependencies"], *(line for extra in EXTRAS.keys() - {NOT_FREE} for line in EXTRAS[extra])}


@pytest.mark.parametrize("line", sorted(line for line in TESTED_LINES if not line.startswith("hvqcgic[")))
def test_the_tested_version_lies_in_the_range(line: str) -> None:
    requirement = Requirement(line)
    assert requirement.specifier.contains(TESTED[canonicalize_name(requirement.name)])


def test_an_install_without_extras_is_light() -> None:
    assert packages_of(PROJECT["dependencies"]) == LIGHT


def test_all_is_every_free_extra_that_a_command_needs() -> None:
    assert brought_by("all") == brought_by(*EXTRAS.keys() - {NOT_FREE, "all", "dev", "docs"})


def test_an_old_numpy_is_asked_for_beside_compressai_alone() -> None:
    assert next(Requirement(line) for line in PROJECT["dependencies"] if "numpy" in line).specifier.contains("2.4.0")
    assert [extra for extra in EXTRAS if "numpy" in packages_of(EXTRAS[extra])] == ["train"]
    assert [extra for extra in EXTRAS if "compressai" in packages_of(EXTRAS[extra])] == ["train"]


def test_what_is_installed_is_this_project() -> None:
    installed = list(map(Requirement, requires("hvqcgic") or []))
    base = {canonicalize_name(found.name) for found in installed if not found.marker}
    extras = {
        extra: {canonicalize_name(found.name) for found in installed if f'extra == "{extra}"' in str(found.marker)}
        for extra in EXTRAS
    }
    expected = {extra: {canonicalize_name(Requirement(line).name) for line in EXTRAS[extra]} for extra in EXTRAS}
    assert (base, extras) == (LIGHT, expected), "installed from another pyproject.toml; run `make install`"


MAY_IMPORT = {
    "cli/completion.py": {"shtab"},
    "cli/program.py": {"jsonargparse"},
    "explore": brought_by("explore"),
    "compressai.py": {"compressai"},
    "perceptual": brought_by("lpips"),
    "pictures/shards.py": {"webdataset"},
    "training": brought_by("train"),
    "evaluation/codecs/compressai_zoo.py": {"compressai"},
    "evaluation/metrics/learned_quality.py": brought_by(NOT_FREE),
    "evaluation": brought_by("evaluate"),
    "sweep": brought_by("sweep"),
    "scale": brought_by("scale"),
}
"""By a file, or the files of a room: packages beside those of every install. The first that fits counts."""


def modules_imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", sorted((ROOT / "hvqcgic").rglob("*.py")), ids=lambda path: path.stem)
def test_a_file_imports_what_the_extra_of_its_program_brings(path: Path) -> None:
    foreign = {name.partition(".")[0] for name in modules_imported(path)} - set(sys.stdlib_module_names) - {"hvqcgic"}
    packages = {canonicalize_name({"PIL": "pillow", **PACKAGE_OF}.get(module, module)) for module in foreign}
    own = path.relative_to(ROOT / "hvqcgic").as_posix()
    assert packages <= LIGHT | next((more for place, more in MAY_IMPORT.items() if own.startswith(place)), set[str]())


def test_what_several_programs_share_is_brought_by_the_extras_of_all() -> None:
    for extra in ("train", "evaluate", "sweep", "scale"):
        assert MAY_IMPORT["cli/program.py"] <= brought_by(extra)
    for extra in ("train", "scale"):
        assert MAY_IMPORT["pictures/shards.py"] <= brought_by(extra)


def test_the_installed_version_is_the_source_version() -> None:
    assert version("hvqcgic") == hvqcgic.__version__


def test_the_changelog_names_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{hvqcgic.__version__}]" in changelog
    assert "### Bitstream" in changelog


def documented_tools() -> set[tuple[str, bool]]:
    """Tools that documents tell to call, and whether as a module."""
    places = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("experiments/**/*.md"), *ROOT.glob("tools/*.py")]
    found = (re.findall(r"python (?:-m tools\.(\w+)|tools/(\w+)\.py)", path.read_text("utf-8")) for path in places)
    return {(module or script, bool(module)) for calls in found for module, script in calls}


def imported_tools(name: str) -> set[tuple[str, bool]]:
    """Other tools that one comes to import, and whether out of the folder as a package."""
    tree = ast.parse((ROOT / f"tools/{name}.py").read_text("utf-8"))
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    own = {(module.removeprefix("tools."), module.startswith("tools.")) for module in names}
    own = {(other, packaged) for other, packaged in own if (ROOT / f"tools/{other}.py").is_file()}
    return own.union(*(imported_tools(other) for other, _ in own))


@pytest.mark.parametrize(("name", "as_module"), sorted(documented_tools()))
def test_a_tool_imports_others_as_its_documented_call_lets_it(name: str, as_module: bool) -> None:
    assert all(packaged == as_module for _, packaged in imported_tools(name))


def test_the_readme_is_a_front_page() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= 160
    first_screen = "\n".join(lines[:30])
    assert all(text in first_screen for text in ("make demo\nmake test", "pip install hvqcgic", "strip.webp"))


def test_every_link_of_the_readme_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert "docs/index.md" in links
    assert not [link for link in links if not (ROOT / link).exists()]
