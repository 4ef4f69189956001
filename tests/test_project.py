"""The project's own description agrees with itself."""

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
