"""Regions of interest: weights of the pixels of a picture for the choice of cells.

The choice of cells multiplies a cell's information density by the mean weight of its pixels. Weight 1 has no effect. A
larger weight gives finer cells at the same ratios, a smaller weight coarser cells. The weights are not stored in the
file. The density is a patch entropy of about 1.4 nats in flat cells to 3.4 nats in busy cells. With a weight above 2.5,
the flattest cell of a region ranks above the busiest cell outside.

Here are the regions of a request, with the standard library alone; `region_weights` makes weights of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from hvqcgic.errors import ConfigError
from hvqcgic.files import PICTURE_SUFFIXES

DEFAULT_WEIGHT = 4.0
"""Weight of a region without a weight, and of white in a mask; the whole region ranks above everything else."""

WEIGHT_RANGE = (0.001, 1000.0)
"""Allowed weights; beyond them single precision, or the rounding for ties of density, would lose the order."""


@dataclass(frozen=True)
class Region:
    """A rectangle of a picture and its weight.

    Attributes:
        x: first column, counted from 0 at the left of the upright picture.
        y: first row, counted from 0 at the top.
        width: in pixels, at least 1.
        height: in pixels, at least 1.
        weight: above 1 for finer cells, below 1 for coarser cells, within `WEIGHT_RANGE`.

    Raises:
        ConfigError: on construction, if a value is not allowed.
    """

    x: int
    y: int
    width: int
    height: int
    weight: float = DEFAULT_WEIGHT

    def __post_init__(self) -> None:
        """Check everything that does not depend on a picture."""
        if self.x < 0 or self.y < 0:
            raise ConfigError(f"region {self}: starts outside the picture; x and y count from 0 at its upper left")
        if self.width < 1 or self.height < 1:
            raise ConfigError(f"region {self}: is empty; give a width and a height of at least 1 pixel")
        low, high = WEIGHT_RANGE
        if not (math.isfinite(self.weight) and low <= self.weight <= high):
            raise ConfigError(
                f"region {self}: weight {self.weight:g} is not allowed; give a number from {low:g} to {high:g}, "
                "above 1 for finer cells"
            )

    def __str__(self) -> str:
        """Return the form that `parse_region` reads."""
        return f"{self.x},{self.y},{self.width},{self.height}={self.weight:g}"


Roi = Region | Path | bytes
"""A rectangle, or the path or the bytes of a mask's file."""


def parse_region(text: str) -> Region:
    """Parse a region "x,y,w,h=weight", in pixels; `DEFAULT_WEIGHT` without "=weight".

    Raises:
        ConfigError: the text does not have this form, or a number is not allowed.
    """
    place, equals, weight = text.partition("=")
    try:
        x, y, width, height = map(int, place.split(","))
        value = float(weight) if equals else DEFAULT_WEIGHT
    except ValueError:
        raise ConfigError(
            f"region {text!r}: is not x,y,w,h=weight, four whole numbers of pixels and a weight, "
            f"such as 64,32,200,120={DEFAULT_WEIGHT:g}"
        ) from None
    return Region(x, y, width, height, value)


def parse_roi(text: str) -> Region | Path:
    """Parse a region on the command line: a rectangle, or the path of a mask.

    A text with a comma is a rectangle, unless it ends with the suffix of a picture.

    Raises:
        ConfigError: as in `parse_region`.
    """
    path = Path(text)
    if not text.strip() or ("," in path.name and path.suffix.lower() not in PICTURE_SUFFIXES):
        return parse_region(text)
    return path
