"""A package that is missing is named together with the extra that brings it; what no extra brings is not explained."""

import sys
from importlib.metadata import PackageNotFoundError

import pytest

from hvqcgic.errors import HvqcgicError, MissingPackage
from hvqcgic.extras import packages
from hvqcgic.extras.packages import check_installed, explain

LINES = [
    "torch<3,>=2.11",
    "numpy<3,>=1.26",
    'look-alike>=1; extra == "looks"',
    "hvqcgic[looks]; extra == 'train'",
    'numpy<2; extra == "train"',
    'Lightning[more]<3,>=2.5; python_version > "3" and extra == "train"',
    'scikit-image>=0.25; extra == "train"',
    'hvqcgic[looks, train]; extra == "all"',
]


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "requires", {"hvqcgic": LINES}.__getitem__)


def explained(module: str, extra: str | None = None) -> str | None:
    missing = explain(ModuleNotFoundError(f"No module named {module!r}", name=module), "this", extra)
    return None if missing is None else str(missing)


@pytest.mark.parametrize(
    ("module", "extra", "told"),
    [
        ("lightning", None, "this needs lightning, which is not installed: pip install 'hvqcgic[train]'"),
        (
            "lightning.pytorch.loggers",
            "all",
            "this needs lightning, which is not installed: pip install 'hvqcgic[all]'",
        ),
        ("skimage", "train", "this needs scikit-image, which is not installed: pip install 'hvqcgic[train]'"),
        ("look_alike", None, "this needs look_alike, which is not installed: pip install 'hvqcgic[looks]'"),
        ("look_alike", "train", "this needs look_alike, which is not installed: pip install 'hvqcgic[train]'"),
        ("lightning", "looks", "this needs lightning, which is not installed: pip install 'hvqcgic[train]'"),
    ],
)
def test_the_extra_is_the_preferred_one_that_brings_it_or_the_one_that_names_it(
    module: str, extra: str | None, told: str
) -> None:
    assert explained(module, extra) == told


@pytest.mark.parametrize("module", ["torch", "numpy", "hvqcgic.nothing", "nothing", ""])
def test_what_no_extra_brings_is_not_explained(module: str) -> None:
    assert explained(module, "train") is None


def test_a_copy_that_is_not_installed_explains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(packages, "requires", nothing)
    assert explained("lightning", "train") is None


def test_what_is_installed_is_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed("this", "numpy", "torch")
    monkeypatch.setitem(sys.modules, "lightning", None)
    with pytest.raises(MissingPackage, match=r"^this needs lightning, which is not installed: .*'hvqcgic\[train\]'$"):
        check_installed("this", "numpy", "lightning", "torch")
    with pytest.raises(MissingPackage, match=r"^this needs no_such_package, .*: pip install no_such_package$"):
        check_installed("this", "no_such_package")


def test_it_is_an_error_like_any_other() -> None:
    assert issubclass(MissingPackage, HvqcgicError)
    assert issubclass(MissingPackage, ValueError)
