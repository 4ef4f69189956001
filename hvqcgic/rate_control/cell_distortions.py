"""Distortion of every cell at every granularity, see `hvqcgic.perceptual.square_distortions`.

The picture is decoded three times: all coarse, all medium and all fine, by the model's proxy decoder if there is one
(`hvqcgic.models.proxy_decoder`), as a decoding takes longer than all else that an encoder does. One decoding of all
three side by side and an estimate of the rest was tried, and chose no better than entropy order (docs/rate_control.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from hvqcgic.bitstream import CELL_PX, GRANULARITIES
from hvqcgic.coder import Analysed, PictureCoder
from hvqcgic.entropy import Masks
from hvqcgic.perceptual import SQUARE_PX, square_distortions

Plane = NDArray[np.float64]
Pixels = NDArray[np.uint8]

_CELL = CELL_PX["coarse"]
_ROWS_AT_A_TIME = 32
"""Rows of 16 px squares in memory at a time."""


def cell_distortions(
    coder: PictureCoder, picture: Analysed, weights: NDArray[np.float32] | None = None
) -> Mapping[str, Plane]:
    """Distortions by granularity, (2 rows, 2 columns) each: sums over the pixels and channels of squares of 8 px.

    They are computed once for an analysed picture.

    Args:
        coder: of the model.
        picture: analysed by the coder.
        weights: (H, W), weights of the distortions; None for 1 everywhere.
    """
    if picture.distortions is None:
        picture.distortions = {
            g: distortions(picture, coder.approximate(picture, _uniform(picture, g))) for g in GRANULARITIES
        }
    if weights is None:
        return picture.distortions
    factors = _mean_weights(picture, weights)
    return {g: plane * factors for g, plane in picture.distortions.items()}


def cell_density(picture: Analysed, weights: NDArray[np.float32] | None = None) -> Plane:
    """Information density of squares of 8 px, (2 rows, 2 columns); weights as in `cell_distortions`."""
    density = picture.density.of_8[0].double().numpy()
    return density if weights is None else density * _mean_weights(picture, weights)


def _uniform(picture: Analysed, granularity: str) -> Masks:
    """The map whose cells all have one granularity."""
    rows, columns = picture.grid
    coarse, medium = np.full((rows, columns), granularity == "coarse"), np.full((2 * rows, 2 * columns), True)
    return Masks.from_coarser(coarse, medium & (granularity == "medium"))


@torch.inference_mode()
def distortions(picture: Analysed, decoded: Pixels) -> Plane:
    """Distortions of squares of 8 px, (2 rows, 2 columns); padding counts as zero.

    Args:
        picture: the original.
        decoded: (H, W, 3).
    """
    found = []
    for rows in _bands(picture):
        original, own = (
            torch.from_numpy(_padded(picture, pixels[rows].astype(np.float32))).permute(2, 0, 1)[None].contiguous()
            for pixels in (picture.pixels, decoded)
        )
        found.append(square_distortions(original, own)[0].double().numpy())
    return np.concatenate(found)


def _mean_weights(picture: Analysed, weights: NDArray[np.float32]) -> Plane:
    """Mean weight of the picture's pixels in each square of 8 px, (2 rows, 2 columns)."""
    inside, total = (_squares(_padded(picture, plane)) for plane in (np.ones_like(weights), weights))
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
    """Sums over the squares of a plane, (16 h, 16 w) to (2 h, 2 w)."""
    height, width = plane.shape
    cut = plane.astype(np.float64).reshape(height // SQUARE_PX, SQUARE_PX, width // SQUARE_PX, SQUARE_PX)
    return cut.sum((1, 3))
