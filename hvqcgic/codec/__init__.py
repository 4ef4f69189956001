"""Codec: picture to bytes to picture, with rate control, for users of the package.

Input: a picture and its operating point, or a file. Output: the bytes of a `.hvq` file, or a picture.
May import: `rate_control`, `coder` and what they import.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.codec.codec import Codec as Codec
    from hvqcgic.codec.codec import Compressed as Compressed
    from hvqcgic.codec.codec import load as load
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "codec": ["Codec", "Compressed", "load"],
        },
    )
