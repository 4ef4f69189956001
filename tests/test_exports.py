"""Every module can be imported by itself, and every name that it promises exists."""

import importlib
import tomllib
from pathlib import Path

import pytest

import hvqcgic

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "hvqcgic").rglob("*.py")
    if path.name != "__main__.py"
)


@pytest.mark.parametrize("name", MODULES)
def test_every_promised_name_exists(name: str) -> None:
    module = importlib.import_module(name)
    promised = getattr(module, "__all__", [])
    assert len(set(promised)) == len(promised)
    assert [entry for entry in promised if not hasattr(module, entry)] == []


def test_public_api_is_what_the_readme_names() -> None:
    assert {"BitstreamError", "Codec", "__version__", "load"} <= set(hvqcgic.__all__)
    assert issubclass(hvqcgic.BitstreamError, ValueError)


def test_an_unknown_name_is_refused_as_python_does() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        hvqcgic.no_such_name  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]


def test_console_script_points_to_a_function() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, function = project["scripts"]["hvqcgic"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
