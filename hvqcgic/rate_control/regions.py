"""Regions of interest: how much each pixel of a picture weighs when cells are shared out.

The selection of cells multiplies a cell's information density by the mean weight of its pixels. Weight 1 changes
nothing, more makes for finer cells at the same shares, less for coarser ones; weights stay with the encoder, and the
stream is like any other. From a flat cell to a busy one the density, a patch entropy, goes from about 1.4 to 3.4 nats:
with a weight above 2.5 the flattest cell of a region comes before the busiest cell elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hvqcgic.errors import ConfigError, Unreachable
from hvqcgic.files import PICTURE_SUFFIXES
from hvqcgic.pictures import read_grey

DEFAULT_WEIGHT = 4.0
"""Of a region that names none, and of white in a mask: the whole region comes before everything else."""

WEIGHT_RANGE = (0.001, 1000.0)
"""Weights allowed: beyond them single precision, or the rounding that settles ties of density, would lose the order."""


@dataclass(frozen=True)
class Region:
    """A rectangle of a picture and its weight.

    Attributes:
        x: first column, counted from 0 at the left of the upright picture.
        y: first row, counted from 0 at the top.
        width: in pixels, as is the height; at least 1.
        height: see width.
        weight: above 1 for finer cells, below 1 for coarser ones, within `WEIGHT_RANGE`.

    Raises:
        ConfigError: on construction, where one of them is not allowed.
    """

    x: int
    y: int
    width: int
    height: int
    weight: float = DEFAULT_WEIGHT

    def __post_init__(self) -> None:
        """Check what does not depend on a picture."""
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
        """The form that `parse_region` reads."""
        return f"{self.x},{self.y},{self.width},{self.height}={self.weight:g}"


Roi = Region | Path
"""A rectangle, or the path of a mask."""


def parse_region(text: str) -> Region:
    """A region from "x,y,w,h=weight", in pixels; `DEFAULT_WEIGHT` without "=weight".

    Raises:
        ConfigError: the text is not of this form, or a number is not allowed.
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


def parse_roi(text: str) -> Roi:
    """What a region on the command line stands for: a rectangle, or the path of a mask.

    A text with a comma in it is a rectangle, unless it ends as a picture does.

    Raises:
        ConfigError: as of `parse_region`.
    """
    path = Path(text)
    if not text.strip() or ("," in path.name and path.suffix.lower() not in PICTURE_SUFFIXES):
        return parse_region(text)
    return path


def read_mask(path: Path, width: int, height: int) -> NDArray[np.float32]:
    """The weights in a mask: 1 where it is black, `DEFAULT_WEIGHT` where it is white, linear between.

    The grey values count as numbers: a colour profile is not heeded. A mask is turned upright by its own EXIF
    orientation, which it seldom has, to lie on the picture as it is coded, which is upright. Grey may be stored with
    1, 8 or 16 bits (16 are rounded to 8), as a palette, or as equal red, green and blue. Colours are refused, as
    lightness would be a guess at what they mean, and so is transparency.

    Args:
        path: of the mask.
        width: of the picture in pixels, upright, as is the height.
        height: see width.
    Returns:
        (H, W), from 1 to `DEFAULT_WEIGHT`.
    Raises:
        PictureError: it cannot be read, has colours, or is transparent somewhere.
        Unreachable: it has another size than the picture.
    """
    grey = read_grey(path)
    rows, columns = grey.shape
    if (columns, rows) != (width, height):
        raise Unreachable(
            f"{path}: the mask has {columns} x {rows} pixels, the picture {width} x {height}; "
            "make the mask of the size of the upright picture"
        )
    return 1 + grey * np.float32((DEFAULT_WEIGHT - 1) / 255)


def weights_of(rois: Sequence[Roi], width: int, height: int) -> NDArray[np.float32] | None:
    """How much each pixel of a picture weighs.

    Where regions overlap, the largest weight counts, whatever their order; a mask's black counts as outside of it, so
    that a region of less than 1 may lie there.

    Args:
        rois: rectangles, and paths of masks.
        width: of the picture in pixels, upright, as is the height.
        height: see width.
    Returns:
        (H, W), within `WEIGHT_RANGE`, 1 outside of all regions; None without regions.
    Raises:
        Unreachable: a region does not lie within the picture, or a mask has another size.
        PictureError: a mask cannot be read, has colours, or is transparent somewhere.
    """
    if not rois:
        return None
    weights = np.zeros((height, width), np.float32)
    for roi in rois:
        if isinstance(roi, Path):
            mask = read_mask(roi, width, height)
            np.maximum(weights, mask, out=weights, where=mask > 1)
        else:
            inside = _inside(weights, roi)
            np.maximum(inside, np.float32(roi.weight), out=inside)
    weights[weights == 0] = 1
    return weights


def _inside(weights: NDArray[np.float32], region: Region) -> NDArray[np.float32]:
    """View of the region's pixels."""
    height, width = weights.shape
    right, bottom = region.x + region.width, region.y + region.height
    if right > width or bottom > height:
        raise Unreachable(
            f"region {region}: reaches to column {right} and row {bottom}, outside the picture of "
            f"{width} x {height} pixels; choose x + w <= {width} and y + h <= {height}"
        )
    return weights[region.y : bottom, region.x : right]
