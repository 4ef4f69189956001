"""WebP."""

from typing import Any

from hvqcgic.evaluation.codecs.pillow_codec import PillowCodec
from hvqcgic.evaluation.operating_points import Parameter


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
