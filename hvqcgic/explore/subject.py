"""What a page shows: a picture to be coded, or a `.hvq` file; read without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from hvqcgic.bitstream import MAGIC, unpack
from hvqcgic.errors import BitstreamError, PictureError
from hvqcgic.explore.limits import Limits
from hvqcgic.pictures import allow_large_pictures, read_original

LONGEST_NAME = 120


@dataclass(frozen=True)
class Subject:
    """A picture, or a `.hvq` file.

    Attributes:
        name: for readers, without folders.
        width: in pixels.
        height: in pixels.
        pixels: of a picture, (H, W, 3), uint8, sRGB; None for a file.
        data: of a file; None for a picture.
    """

    name: str
    width: int
    height: int
    pixels: NDArray[np.uint8] | None = None
    data: bytes | None = None

    @property
    def stem(self) -> str:
        """The name without its suffix, for downloads."""
        return PurePosixPath(self.name).stem or "picture"


def read_subject(data: bytes, name: str, limits: Limits) -> Subject:
    """Read a picture file, or check a `.hvq` file.

    Args:
        data: its bytes.
        name: of the file.
        limits: of size and pixels.

    Raises:
        PictureError: it is no picture, damaged or too large.
        BitstreamError: it is a `.hvq` file that is damaged or too large.
    """
    name = plain_name(name)
    if len(data) > limits.max_bytes:
        raise PictureError(f"{name}: {len(data)} bytes: at most {limits.max_bytes} are taken; scale it down")
    if data.startswith(MAGIC):
        try:
            header = unpack(data, max_pixels=limits.max_pixels).header
        except BitstreamError as error:
            raise type(error)(f"{name}: {error}") from error
        return Subject(name, header.width, header.height, data=data)
    allow_large_pictures()
    pixels = read_original(data, name, max_pixels=limits.max_pixels).pixels
    return Subject(name, pixels.shape[1], pixels.shape[0], pixels=pixels)


def plain_name(name: str) -> str:
    """The last part of a path, without characters that no terminal or page shows."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return "".join(sign for sign in last if sign.isprintable())[-LONGEST_NAME:] or "picture"
