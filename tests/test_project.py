"""The project's own description agrees with itself."""

import ast
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import hvqcgic

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
TESTED_EXTRAS = EXTRAS["dev"] + EXTRAS["scale"] + EXTRAS["sweep"]
REQUIREMENTS = [Requirement(line) for line in PROJECT["dependencies"] + TESTED_EXTRAS]
TESTED = {
    canonicalize_name(name): pinned
    for name, _, pinned in (
        line.partition("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    )
    if pinned
}


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.name)
def test_the_tested_version_lies_in_the_range(requirement: Requirement) -> None:
    assert requirement.specifier.contains(TESTED[canonicalize_name(requirement.name)])


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
