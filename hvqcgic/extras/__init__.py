"""Packages that only some commands need: whether they are installed, and which extra of hvqcgic installs them.

In: names of modules. Out: nothing if all are installed, else a `MissingPackage` with one line.
May import: `errors` and the standard library only.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.extras.packages import check_installed as check_installed
    from hvqcgic.extras.packages import explain as explain
else:
    __getattr__, __dir__ = lazy_exports(__name__, {"packages": ["check_installed", "explain"]})
