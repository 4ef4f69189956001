"""AVIF."""

from typing import Any

from hvqcgic.evaluation.codecs.pillow_codec import PillowCodec
from hvqcgic.evaluation.operating_points import Parameter


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
