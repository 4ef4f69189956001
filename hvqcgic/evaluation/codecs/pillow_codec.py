"""Codecs that Pillow has: JPEG, JPEG 2000, WebP, AVIF."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import PIL
from PIL import features

from hvqcgic.evaluation.codecs.base import CodecUnavailable, PictureCodec, Pixels
from hvqcgic.evaluation.operating_points import Parameter
from hvqcgic.pictures import AVIF, JPEG, WEBP, LossyFormat, open_as, save_as


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
        return save_as(picture, self.format, self.settings())

    def decode(self, data: bytes) -> Pixels:
        """Decode a file with Pillow's `open`."""
        return open_as(data, self.format)


class _LossyCodec(PillowCodec):
    """A format of `hvqcgic.pictures` with a quality."""

    lossy: ClassVar[LossyFormat]

    def settings(self) -> dict[str, Any]:
        """Arguments of Pillow's `save`."""
        return self.lossy.settings(int(self.value))


class Jpeg(_LossyCodec):
    """JPEG with Huffman tables of its own, progressive, colours at half resolution."""

    lossy = JPEG
    name, suffix, format, feature = JPEG.name, JPEG.suffix, JPEG.format, JPEG.feature
    parameter = Parameter("quality", JPEG.lowest, JPEG.highest)
    default_points = "5..80:8"


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


class WebP(_LossyCodec):
    """Lossy WebP at its slowest, best setting."""

    lossy = WEBP
    name, suffix, format, feature = WEBP.name, WEBP.suffix, WEBP.format, WEBP.feature
    parameter = Parameter("quality", WEBP.lowest, WEBP.highest)
    default_points = "0..60:8"


class Avif(_LossyCodec):
    """AVIF (AV1), one thread."""

    lossy = AVIF
    name, suffix, format, feature = AVIF.name, AVIF.suffix, AVIF.format, AVIF.feature
    parameter = Parameter("quality", AVIF.lowest, AVIF.highest)
    default_points = "5..60:8"
