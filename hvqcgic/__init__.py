"""hvqcgic: a generative image codec that writes real files which decode exactly on any machine.

>>> import hvqcgic
>>> codec = hvqcgic.load("tiny")            # doctest: +SKIP
>>> data = codec.compress("picture.jpg")    # doctest: +SKIP
>>> picture = codec.decompress(data)        # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

from hvqcgic.errors import BitstreamError

if TYPE_CHECKING:
    from hvqcgic.codec import Codec, load

__version__ = "0.1.0"

__all__ = ["BitstreamError", "Codec", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import the codec, and torch with it, only once it is asked for: `hvqcgic --help` needs neither."""
    if name in ("Codec", "load"):
        from hvqcgic import codec

        return getattr(codec, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, imported yet or not."""
    return sorted(set(globals()) | set(__all__))
