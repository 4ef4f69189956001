"""JPEG with the settings of a careful user."""

from typing import Any

from hvqcgic.evaluation.codecs.pillow_codec import PillowCodec
from hvqcgic.evaluation.operating_points import Parameter


class Jpeg(PillowCodec):
    """JPEG with optimised Huffman tables, progressive, colours at half resolution."""

    name = "jpeg"
    summary = "JPEG (progressive, optimised tables, 4:2:0)"
    suffix = ".jpg"
    format = "JPEG"
    feature = "jpg"
    parameter = Parameter("quality", 1, 95)
    default_points = "5..80:8"

    def settings(self) -> dict[str, Any]:
        """Arguments of Pillow's `save`."""
        return {"quality": int(self.value), "optimize": True, "progressive": True, "subsampling": "4:2:0"}
