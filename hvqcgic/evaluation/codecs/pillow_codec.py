"""Codecs of Pillow."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import PIL
from PIL import Image, features

from hvqcgic.evaluation.codecs.base import CodecUnavailable, PictureCodec, Pixels


class PillowCodec(PictureCodec):
    """A format of Pillow.

    Attributes:
        format: Pillow's name for it.
        feature: Pillow's name for the library that codes it.
    """

    format: ClassVar[str]
    feature: ClassVar[str]

    def __init__(self, variant: str, point: str, *, device: str = "cpu") -> None:
        """See `PictureCodec`."""
        super().__init__(variant, point, device=device)
        if not features.check(self.feature):
            raise CodecUnavailable(
                f"codec {self.name}: this Pillow ({PIL.__version__}) was built without {self.feature}; "
                "pip install --force-reinstall pillow"
            )

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Arguments of Pillow's `save` at this point."""

    @property
    def fingerprint(self) -> str:
        """Settings, and the version of the library that codes."""
        return f"{self.format} {self.settings()} {self.feature} {features.version(self.feature)}"

    def encode(self, picture: Pixels) -> bytes:
        """Encode a picture with Pillow's `save`."""
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, format=self.format, **self.settings())
        return buffer.getvalue()

    def decode(self, data: bytes) -> Pixels:
        """Decode a file with Pillow's `open`."""
        with Image.open(io.BytesIO(data), formats=[self.format]) as image:
            return np.array(image.convert("RGB"))
