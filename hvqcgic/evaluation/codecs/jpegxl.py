"""JPEG XL, if the package pillow-jxl-plugin is installed."""

import importlib
from importlib.metadata import version
from typing import Any

from hvqcgic.evaluation.codecs.base import PictureCodec, need_package
from hvqcgic.evaluation.codecs.pillow_codec import PillowCodec
from hvqcgic.evaluation.operating_points import Parameter

_PACKAGE = "pillow-jxl-plugin"


class JpegXl(PillowCodec):
    """Lossy JPEG XL."""

    name = "jpegxl"
    suffix = ".jxl"
    format = "JXL"
    parameter = Parameter("quality", 0, 100)
    default_points = "5..60:8"

    def __init__(self, variant: str, point: str, *, device: str = "cpu") -> None:
        """See `PictureCodec`; importing the package adds the format to Pillow."""
        PictureCodec.__init__(self, variant, point, device=device)
        need_package(self.name, "pillow_jxl")
        importlib.import_module("pillow_jxl")

    @property
    def fingerprint(self) -> str:
        """Settings and the version of the package."""
        return f"{self.format} {self.settings()} {_PACKAGE} {version(_PACKAGE)}"

    def settings(self) -> dict[str, Any]:
        """Arguments of Pillow's `save`."""
        return {"quality": int(self.value), "effort": 7, "num_threads": 1}
