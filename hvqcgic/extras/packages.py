"""Which package is missing, and which extra brings it: read off what hvqcgic itself was installed with."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec

from hvqcgic.errors import MissingPackage

PACKAGE_OF = {"pillow_jxl": "pillow-jxl-plugin", "skimage": "scikit-image", "yaml": "PyYAML"}
"""By the name that is imported, where that is another one than the package's."""

_REQUIREMENT = re.compile(r"""([\w.-]+)\s*(?:\[([^]]*)\])?(?:.*;.*\bextra\s*==\s*["']([\w.-]+)["'])?""")


def check_installed(needed_by: str, *modules: str, extra: str | None = None) -> None:
    """Refuse to begin what cannot be done without some packages.

    Args:
        needed_by: what needs them, for the message.
        modules: names as they are imported.
        extra: the one to name where it brings the package, though another one does, too.
    Raises:
        MissingPackage: one is not installed.
    """
    for module in modules:
        if find_spec(module) is None:
            raise _missing(module, needed_by, _extra_of(module, extra))


def explain(error: ModuleNotFoundError, needed_by: str, extra: str | None = None) -> MissingPackage | None:
    """What to say of an import that failed; None where no extra brings the package, so that something else is wrong.

    Args:
        error: of the import.
        needed_by: what needs the package, for the message.
        extra: as of `check_installed`.
    """
    module = (error.name or "").partition(".")[0]
    found = _extra_of(module, extra)
    return _missing(module, needed_by, found) if found else None


def _missing(module: str, needed_by: str, extra: str | None) -> MissingPackage:
    package = PACKAGE_OF.get(module, module)
    wanted = f"'hvqcgic[{extra}]'" if extra else package
    return MissingPackage(f"{needed_by} needs {package}, which is not installed: pip install {wanted}")


def _extra_of(module: str, preferred: str | None) -> str | None:
    """The extra that brings a module: the preferred one, else one that names the package itself; None without any."""
    package = _plain(PACKAGE_OF.get(module, module))
    always, named, within = _requirements()

    def brings(extra: str) -> bool:
        return package in named.get(extra, ()) or any(map(brings, within.get(extra, ())))

    if package in always:
        return None
    if preferred and brings(preferred):
        return preferred
    return next((extra for extra, packages in named.items() if package in packages), None)


def _requirements() -> tuple[set[str], dict[str, set[str]], dict[str, set[str]]]:
    """Packages of every install, packages by extra, extras within extras; nothing of a copy that is not installed."""
    always: set[str] = set()
    named: dict[str, set[str]] = {}
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
            named.setdefault(extra, set()).add(_plain(name))
    return always, named, within


def _plain(name: str) -> str:
    """A package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
