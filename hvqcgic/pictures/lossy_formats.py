"""Lossy formats of Pillow at the settings at which they are compared with: JPEG, WebP and AVIF."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

Pixels = NDArray[np.uint8]
"""A picture, (H, W, 3), sRGB."""


@dataclass(frozen=True)
class LossyFormat:
    """A format with one number that sets its quality.

    Attributes:
        name: in lower case.
        label: for readers.
        format: Pillow's name for it.
        suffix: of its files.
        feature: Pillow's name for the library that codes it.
        lowest: least quality.
        highest: largest quality that is sensible.
        options: further arguments of Pillow's `save`.
    """

    name: str
    label: str
    format: str
    suffix: str
    feature: str
    lowest: int = 0
    highest: int = 100
    options: dict[str, Any] = field(default_factory=dict)

    def settings(self, quality: int) -> dict[str, Any]:
        """Arguments of Pillow's `save`."""
        return {"quality": quality, **self.options}

    @property
    def available(self) -> bool:
        """Whether this Pillow was built with the library."""
        return bool(features.check(self.feature))

    def encode(self, picture: Pixels, quality: int) -> bytes:
        """Encode a picture to the bytes of a file."""
        return save_as(picture, self.format, self.settings(quality))

    def decode(self, data: bytes) -> Pixels:
        """Decode the bytes of a file."""
        return open_as(data, self.format)


JPEG = LossyFormat(
    *("jpeg", "JPEG", "JPEG", ".jpg", "jpg", 1, 95),
    options={"optimize": True, "progressive": True, "subsampling": "4:2:0"},
)
"""Huffman tables of its own, progressive, colours at half resolution."""
WEBP = LossyFormat("webp", "WebP", "WEBP", ".webp", "webp", options={"method": 6})
"""At its slowest, best setting."""
AVIF = LossyFormat(
    *("avif", "AVIF", "AVIF", ".avif", "avif"), options={"speed": 6, "subsampling": "4:2:0", "max_threads": 1}
)
"""AV1, one thread."""


def save_as(picture: Pixels, kind: str, settings: dict[str, Any]) -> bytes:
    """Encode a picture with Pillow's `save` in a format of Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format=kind, **settings)
    return buffer.getvalue()


def open_as(data: bytes, kind: str) -> Pixels:
    """Decode a file with Pillow's `open`; it must be of the format."""
    with Image.open(io.BytesIO(data), formats=[kind]) as image:
        return np.array(image.convert("RGB"))
