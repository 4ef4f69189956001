"""Distortion of every cell at every granularity: squared error, and the change of contrast within squares of 8 px.

Squared error alone prefers a smoothed texture to a replaced one.

The picture is decoded three times: all coarse, all medium and all fine. One decoding of all three side by side and an
estimate of the rest was tried, and chose no better than entropy order (docs/rate_control.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.coder import Analysed, PictureCoder
from hvqcgic.models import Ratios

Plane = NDArray[np.float64]
Pixels = NDArray[np.uint8]

CONTRAST_WEIGHT = 3.0
"""Weight of the squared difference in standard deviation of luma, against the mean squared error of a channel."""
_UNIFORM: Mapping[str, Ratios] = {"coarse": (0.0, 0.0, 1.0), "medium": (0.0, 1.0, 0.0), "fine": (1.0, 0.0, 0.0)}
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_SQUARE, _CELL = 8, 16
_ROWS_AT_A_TIME = 32
"""Rows of 16 px squares in memory at a time."""


def cell_distortions(
    coder: PictureCoder, picture: Analysed, weights: NDArray[np.float32] | None = None
) -> dict[str, Plane]:
    """Distortions by granularity, (2 rows, 2 columns) each: sums over the pixels and channels of squares of 8 px.

    Args:
        coder: of the model.
        picture: analysed by the coder.
        weights: (H, W), weights of the distortions; None for 1 everywhere.
    """
    found: dict[str, Plane] = {}
    for granularity in GRANULARITIES:
        encoded = coder.quantise(picture, coder.order_cells(picture, _UNIFORM[granularity]))
        found[granularity] = distortions(picture, np.asarray(coder.reconstruct(encoded)))
    if weights is None:
        return found
    factors = _mean_weights(picture, weights)
    return {g: plane * factors for g, plane in found.items()}


def distortions(picture: Analysed, decoded: Pixels) -> Plane:
    """Squared error and change of contrast of 8 px squares, (2 rows, 2 columns); padding counts as zero.

    Args:
        picture: the original.
        decoded: (H, W, 3).
    """
    found = []
    for rows in _bands(picture):
        original, own = (_padded(picture, pixels[rows].astype(np.float32)) for pixels in (picture.pixels, decoded))
        error = _squares(np.square(original - own).sum(2)).sum((2, 3))
        contrast = [_squares(pixels @ _LUMA).std((2, 3)) for pixels in (original, own)]
        found.append(error + 3 * _SQUARE**2 * CONTRAST_WEIGHT * np.square(contrast[0] - contrast[1]))
    return np.concatenate(found)


def _mean_weights(picture: Analysed, weights: NDArray[np.float32]) -> Plane:
    """Mean weight of the picture's pixels in each square of 8 px, (2 rows, 2 columns)."""
    inside, total = (_squares(_padded(picture, plane)).sum((2, 3)) for plane in (np.ones_like(weights), weights))
    return total / np.maximum(inside, 1)


def _bands(picture: Analysed) -> Iterator[slice]:
    """Rows of pixels of bands of whole squares of 16 px."""
    step = _ROWS_AT_A_TIME * _CELL
    for first, last in pairwise([*range(0, picture.height, step), picture.height]):
        yield slice(first, last)


def _padded(picture: Analysed, band: NDArray[np.float32]) -> NDArray[np.float32]:
    """A band of a picture, (h, W, ...), with zeros up to whole squares of 16 px."""
    below, right = -len(band) % _CELL, _CELL * picture.grid[1] - picture.width
    return np.pad(band, [(0, below), (0, right), *[(0, 0)] * (band.ndim - 2)])


def _squares(plane: NDArray[np.float32]) -> Plane:
    """Cut a plane (16 h, 16 w) into squares (2 h, 2 w, 8, 8)."""
    height, width = plane.shape
    cut = plane.astype(np.float64).reshape(height // _SQUARE, _SQUARE, width // _SQUARE, _SQUARE)
    return cut.transpose(0, 2, 1, 3)
