"""hvqcgic: a generative image codec that writes real files which decode exactly on any machine.

>>> import hvqcgic
>>> codec = hvqcgic.load("tiny")            # doctest: +SKIP
>>> data = codec.compress("picture.jpg")    # doctest: +SKIP
>>> picture = codec.decompress(data)        # doctest: +SKIP
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hvqcgic.errors import BitstreamError

__version__ = "0.1.0"

__all__ = ["BitstreamError", "Codec", "__version__", "load"]


def lazy_exports(
    package: str, exports: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package that imports a module only once a name of it is asked for (PEP 562).

    So importing a package costs nothing: `hvqcgic --help` needs neither torch nor numpy.

    Args:
        package: its `__name__`.
        exports: public names by the module of the package that defines them.
    """
    home = {name: module for module, names in exports.items() for name in names}

    def get(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        # As the import statement does, so that `python -X importtime` shows it, as it shows all others.
        return getattr(__import__(f"{package}.{home[name]}", fromlist=[name]), name)

    return get, lambda: sorted({*vars(sys.modules[package]), *home})


if TYPE_CHECKING:
    from hvqcgic.codec import Codec as Codec
    from hvqcgic.codec import load as load
else:
    __getattr__, __dir__ = lazy_exports(__name__, {"codec": ["Codec", "load"]})
