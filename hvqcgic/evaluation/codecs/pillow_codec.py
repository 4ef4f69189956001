"""Codecs that Pillow has: JPEG, JPEG 2000, WebP, AVIF."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import PIL
from PIL import Image, features

from hvqcgic.evaluation.codecs.base import CodecUnavailable, PictureCodec, Pixels
from hvqcgic.evaluation.operating_points import Parameter


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


class Jpeg(PillowCodec):
    """JPEG with Huffman tables of its own, progressive, colours at half resolution."""

    name = "jpeg"
    suffix = ".jpg"
    format = "JPEG"
    feature = "jpg"
    parameter = Parameter("quality", 1, 95)
    default_points = "5..80:8"

    def settings(self) -> dict[str, Any]:
        """Arguments of Pillow's `save`."""
        return {"quality": int(self.value), "optimize": True, "progressive": True, "subsampling": "4:2:0"}


class Jpeg2000(PillowCodec):
    """JPEG 2000 with the irreversible wavelet, a raw codestream, which has no file wrapper to pay for."""

    name = "jpeg2000"
    suffix = ".j2k"
    format = "JPEG2000"
    feature = "jpg_2000"
    parameter = Parameter("psnr", 10, 60, whole=False)
    default_points = "20..34:8"

    def settings(self) -> dict[str, Any]:
        """Arguments of Pillow's `save`."""
        return {"quality_mode": "dB", "quality_layers": [self.value], "irreversible": True, "no_jp2": True, "mct": 1}


class WebP(PillowCodec):
    """Lossy WebP at its slowest, best setting."""

    name = "webp"
    suffix = ".webp"
    format = "WEBP"
    feature = "webp"
    parameter = Parameter("quality", 0, 100)
    default_points = "0..60:8"

    def settings(self) -> dict[str, Any]:
        """Arguments of Pillow's `save`."""
        return {"quality": int(self.value), "method": 6}


class Avif(PillowCodec):
    """AVIF (AV1), one thread."""

    name = "avif"
    suffix = ".avif"
    format = "AVIF"
    feature = "avif"
    parameter = Parameter("quality", 0, 100)
    default_points = "5..60:8"

    def settings(self) -> dict[str, Any]:
        """Arguments of Pillow's `save`."""
        return {"quality": int(self.value), "speed": 6, "subsampling": "4:2:0", "max_threads": 1}
