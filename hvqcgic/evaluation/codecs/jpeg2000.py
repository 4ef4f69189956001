"""JPEG 2000."""

from typing import Any

from hvqcgic.evaluation.codecs.pillow_codec import PillowCodec
from hvqcgic.evaluation.operating_points import Parameter


class Jpeg2000(PillowCodec):
    """JPEG 2000 with the irreversible wavelet, as a raw codestream without the overhead of a file wrapper."""

    name = "jpeg2000"
    summary = "JPEG 2000 (irreversible 9-7 wavelet, points by target PSNR)"
    suffix = ".j2k"
    format = "JPEG2000"
    feature = "jpg_2000"
    parameter = Parameter("psnr", 10, 60, whole=False)
    default_points = "20..34:8"

    def settings(self) -> dict[str, Any]:
        """Arguments of Pillow's `save`."""
        return {"quality_mode": "dB", "quality_layers": [self.value], "irreversible": True, "no_jp2": True, "mct": 1}
