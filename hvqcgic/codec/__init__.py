"""Codec: picture to bytes to picture, with rate control, for users of the package.

In: a picture and its operating point, or a file. Out: the bytes of a `.hvq` file, or a picture.
May import: `rate_control`, `coder` and what they import.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.codec.codec import Codec as Codec
    from hvqcgic.codec.codec import Compressed as Compressed
    from hvqcgic.codec.codec import load as load
    from hvqcgic.codec.file_metadata import METADATA_CHOICES as METADATA_CHOICES
    from hvqcgic.codec.file_metadata import with_metadata as with_metadata
    from hvqcgic.codec.forks import LOADING as LOADING
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "codec": ["Codec", "Compressed", "load"],
            "file_metadata": ["METADATA_CHOICES", "with_metadata"],
            "forks": ["LOADING"],
        },
    )
