"""The weight of each pixel of a picture, from its regions of interest; see `regions`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hvqcgic.errors import Unreachable
from hvqcgic.pictures import read_grey
from hvqcgic.rate_control.regions import DEFAULT_WEIGHT, Region, Roi


def read_mask(mask: Path | bytes, width: int, height: int) -> NDArray[np.float32]:
    """Read the weights in a mask: 1 for black, `DEFAULT_WEIGHT` for white, linear between.

    Grey values are used as numbers; a colour profile is ignored. A mask is turned upright by its own EXIF orientation,
    to match the upright picture. Grey may be stored with 1, 8 or 16 bits (16 are rounded to 8), as a palette, or as
    equal red, green and blue. Colours are refused, because they have no defined weight, and so is transparency.

    Args:
        mask: path or bytes of its file.
        width: of the upright picture, in pixels.
        height: of the upright picture, in pixels.
    Returns:
        (H, W), from 1 to `DEFAULT_WEIGHT`.
    Raises:
        PictureError: it cannot be read, has colours, or is transparent somewhere.
        Unreachable: its size differs from the picture's.
    """
    grey = read_grey(mask)
    rows, columns = grey.shape
    if (columns, rows) != (width, height):
        raise Unreachable(
            f"{mask if isinstance(mask, Path) else 'regions'}: the mask has {columns} x {rows} pixels, the picture "
            f"{width} x {height}; make the mask of the size of the upright picture"
        )
    return 1 + grey * np.float32((DEFAULT_WEIGHT - 1) / 255)


def weights_of(rois: Sequence[Roi], width: int, height: int) -> NDArray[np.float32] | None:
    """Compute the weight of each pixel of a picture.

    Where regions overlap, the largest weight is used, in any order. Black in a mask counts as outside, so that a region
    with a weight below 1 may lie there.

    Args:
        rois: rectangles, and masks.
        width: of the upright picture, in pixels.
        height: of the upright picture, in pixels.
    Returns:
        (H, W), within `WEIGHT_RANGE`, 1 outside of all regions; None without regions.
    Raises:
        Unreachable: a region is not within the picture, or a mask has another size.
        PictureError: a mask cannot be read, has colours, or is transparent somewhere.
    """
    if not rois:
        return None
    weights = np.zeros((height, width), np.float32)
    for roi in rois:
        if isinstance(roi, Region):
            inside = _inside(weights, roi)
            np.maximum(inside, np.float32(roi.weight), out=inside)
        else:
            mask = read_mask(roi, width, height)
            np.maximum(weights, mask, out=weights, where=mask > 1)
    weights[weights == 0] = 1
    return weights


def _inside(weights: NDArray[np.float32], region: Region) -> NDArray[np.float32]:
    """Return a view of the region's pixels."""
    height, width = weights.shape
    right, bottom = region.x + region.width, region.y + region.height
    if right > width or bottom > height:
        raise Unreachable(
            f"region {region}: reaches to column {right} and row {bottom}, outside the picture of "
            f"{width} x {height} pixels; choose x + w <= {width} and y + h <= {height}"
        )
    return weights[region.y : bottom, region.x : right]
