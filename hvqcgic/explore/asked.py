"""What a page asks for: model, coding mode, operating point and regions; from JSON."""

from __future__ import annotations

import base64
import binascii
import io
from dataclasses import dataclass

from PIL import Image

from hvqcgic.bitstream import MODES
from hvqcgic.errors import ConfigError
from hvqcgic.rate_control import OperatingPoint
from hvqcgic.schema import build, check, parse_json


@dataclass(frozen=True)
class Asked:
    """A request to code the picture of a page.

    Attributes:
        model: name of an offered model.
        coding: mode.
        bpp: bit rate; the nearest possible one is taken.
        ratios: (fine, medium, coarse) shares of the area; one of `bpp` and `ratios` is given, or none.

    Raises:
        ConfigError: on construction, if a value is not allowed.
    """

    model: str
    coding: str = MODES[0]
    bpp: float | None = None
    ratios: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        """Check types and ranges."""
        check(self, "request")

    def point(self, mask: bytes | None) -> OperatingPoint:
        """Return the operating point, with a mask of regions or None."""
        roi = () if mask is None else (mask,)
        return OperatingPoint(ratios=self.ratios, bpp=self.bpp, roi=roi, clamp=True)


def parse_asked(body: bytes) -> tuple[Asked, bytes | None]:
    """Parse the JSON of a request, and the PNG of its mask in base64, if it has one.

    Raises:
        ConfigError: it is no such request.
    """
    values = parse_json(body, "request")
    if not isinstance(values, dict):
        raise ConfigError("request: is no JSON object")
    text = values.pop("mask", None)
    return build(Asked, values, "request"), None if text is None else _mask(text)


def _mask(text: object) -> bytes:
    try:
        if not isinstance(text, str):
            raise TypeError
        return base64.b64decode(text, validate=True)
    except (TypeError, binascii.Error, ValueError) as error:
        raise ConfigError("request.mask: is no base64 text of a PNG") from error


def check_mask(mask: bytes, width: int, height: int) -> None:
    """Check the size of a mask of regions before its pixels are read.

    Raises:
        ConfigError: it is no PNG of this size.
    """
    try:
        with Image.open(io.BytesIO(mask), formats=["PNG"]) as image:
            size = image.size
    except Exception as error:
        raise ConfigError("request.mask: is no PNG") from error
    if size != (width, height):
        raise ConfigError(f"request.mask: has {size[0]} x {size[1]} pixels, the picture {width} x {height}")
