"""Missing packages and their extras, from the metadata of the installed hvqcgic."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec

from hvqcgic.errors import MissingPackage

PACKAGE_OF = {"pillow_jxl": "pillow-jxl-plugin", "skimage": "scikit-image", "yaml": "PyYAML"}
"""Package by module, if the names differ by more than case and punctuation."""

_REQUIREMENT = re.compile(r"""([\w.-]+)\s*(?:\[([^]]*)\])?(?:.*;.*\bextra\s*==\s*["']([\w.-]+)["'])?""")


def check_installed(needed_by: str, *modules: str, extra: str | None = None) -> None:
    """Check that packages are installed, before work starts that needs them.

    Args:
        needed_by: the subject of the message: a command, an option or a metric.
        modules: names of the packages' modules.
        extra: the extra that the message names, if it installs the package; else the message names the extra that
            lists the package.
    Raises:
        MissingPackage: a package is not installed.
    """
    for module in modules:
        if find_spec(module) is None:
            raise _missing(module, needed_by, _extra_of(module, extra))


def explain(error: ModuleNotFoundError, needed_by: str, extra: str | None = None) -> MissingPackage | None:
    """Return the message for a failed import; None if no extra installs the module, so that the failure is a bug.

    Args:
        error: error of the import.
        needed_by: the subject of the message.
        extra: as in `check_installed`.
    """
    module = (error.name or "").partition(".")[0]
    found = _extra_of(module, extra)
    return _missing(module, needed_by, found) if found else None


def _missing(module: str, needed_by: str, extra: str | None) -> MissingPackage:
    package = PACKAGE_OF.get(module, module)
    wanted = f"'hvqcgic[{extra}]'" if extra else package
    return MissingPackage(f"{needed_by} needs {package}, which is not installed: pip install {wanted}")


def _extra_of(module: str, preferred: str | None) -> str | None:
    """Return the preferred extra if it installs the module, else an extra that lists the package, else None."""
    package = _plain(PACKAGE_OF.get(module, module))
    always, listed, within = _requirements()

    def installs(extra: str) -> bool:
        return package in listed.get(extra, ()) or any(map(installs, within.get(extra, ())))

    if package in always:
        return None
    if preferred and installs(preferred):
        return preferred
    return next((extra for extra, packages in listed.items() if package in packages), None)


def _requirements() -> tuple[set[str], dict[str, set[str]], dict[str, set[str]]]:
    """Return the packages of every install, packages by extra, and extras by extra; all empty without metadata."""
    always: set[str] = set()
    listed: dict[str, set[str]] = {}
    within: dict[str, set[str]] = {}
    try:
        lines = requires("hvqcgic") or []
    except PackageNotFoundError:
        lines = []
    for name, inner, extra in (match.groups() for line in lines if (match := _REQUIREMENT.match(line))):
        if not extra:
            always.add(_plain(name))
        elif _plain(name) == "hvqcgic":
            within.setdefault(extra, set()).update(map(str.strip, inner.split(",")))
        else:
            listed.setdefault(extra, set()).add(_plain(name))
    return always, listed, within


def _plain(name: str) -> str:
    """Return the normalised name of a package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
