"""Which cells are fine by what they bring: the fall of squared error per bit, in place of information density.

The picture is decoded three times, all coarse, all medium and all fine, which tells for every cell what it would cost
and how far its pixels would be off. Squares of 16 px are then split where that pays at a slope lambda (squared error a
bit is worth), a quadtree pruned as in Chou, Lookabaugh and Gray 1989; lambda is what gives the wanted number of
indices. One look cannot see how cells of different sizes help each other: the decoder blends them, and contexts cross
their borders. The choice is the encoder's alone; a stream is like any other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hvqcgic.coder import Analysed, PictureCoder
from hvqcgic.entropy import Masks
from hvqcgic.models.granularity import Ratios, counts_from_ratios
from hvqcgic.schedule import GRANULARITIES

Plane = NDArray[np.float64]

_UNIFORM: Mapping[str, Ratios] = {"coarse": (0.0, 0.0, 1.0), "medium": (0.0, 1.0, 0.0), "fine": (1.0, 0.0, 0.0)}
_LEAST_BITS = 0.01
"""What a split costs at least, so that a slope is never without bound."""
_HALVINGS = 60


class RdOrder:
    """Maps of one picture by rate and distortion.

    Args:
        coder: of the model.
        picture: analysed by it.
        weights: (H, W) of squared errors; 1 everywhere if None.
        coding: mode whose bits count.
    """

    def __init__(
        self, coder: PictureCoder, picture: Analysed, weights: NDArray[np.float32] | None, coding: str
    ) -> None:
        error: dict[str, Plane] = {}
        bits: dict[str, Plane] = {}
        for granularity in GRANULARITIES:
            masks = coder.order_cells(picture, _UNIFORM[granularity])
            encoded = coder.quantise(picture, masks)
            found = coder.cell_bits(encoded, coding=coding)[granularity]
            bits[granularity] = found.reshape(masks[granularity].shape)
            error[granularity] = _squared_errors(picture, np.asarray(coder.reconstruct(encoded)), weights)
        self._grid = picture.grid
        self._fine_gain = error["medium"] - error["fine"]
        self._fine_bits = np.maximum(_sum_of_four(bits["fine"]) - bits["medium"], _LEAST_BITS)
        self._medium_gain = _sum_of_four(error["coarse"] - error["medium"])
        self._medium_bits = np.maximum(_sum_of_four(bits["medium"]) - bits["coarse"], _LEAST_BITS)
        self._steepest = 1 + max(
            float(np.abs(gain / cost).max())
            for gain, cost in ((self._fine_gain, self._fine_bits), (self._medium_gain, self._medium_bits))
        )

    def masks(self, shares: Ratios) -> Masks:
        """The map with about as many indices as (fine, medium, coarse) shares would have."""
        rows, columns = self._grid
        coarse, medium = counts_from_ratios(shares, rows, columns)
        wanted = 16 * rows * columns - 15 * coarse - 3 * medium
        # Between slopes at which everything is fine, and everything is coarse.
        low, high = -2 * self._steepest, 2 * self._steepest
        for _ in range(_HALVINGS):
            slope = (low + high) / 2
            low, high = (slope, high) if _indices(self._at_slope(slope)) > wanted else (low, slope)
        return self._at_slope(high)

    def _at_slope(self, slope: float) -> Masks:
        """The map in which every split wins more squared error than its bits are worth."""
        fine = self._fine_gain > slope * self._fine_bits
        gain = self._medium_gain + _sum_of_four(np.where(fine, self._fine_gain, 0.0))
        cost = self._medium_bits + _sum_of_four(np.where(fine, self._fine_bits, 0.0))
        coarse = gain <= slope * cost
        medium = np.logical_not(fine | coarse.repeat(2, 0).repeat(2, 1))
        return Masks.from_coarser(coarse, medium)


def _indices(masks: Masks) -> int:
    return sum(masks.count(g) for g in GRANULARITIES)


def _squared_errors(picture: Analysed, decoded: NDArray[np.uint8], weights: NDArray[np.float32] | None) -> Plane:
    """Sums over 8 px squares of the padded picture, whose padding counts nothing; (2 rows, 2 columns)."""
    rows, columns = picture.grid
    square = np.square(picture.pixels.astype(np.float32) - decoded).sum(2)
    if weights is not None:
        square *= weights
    padded = np.zeros((16 * rows, 16 * columns))
    padded[: picture.height, : picture.width] = square
    return padded.reshape(2 * rows, 8, 2 * columns, 8).sum((1, 3))


def _sum_of_four(plane: Plane) -> Plane:
    """Sums over squares of 2 x 2 cells, (2h, 2w) to (h, w)."""
    return plane.reshape(plane.shape[0] // 2, 2, plane.shape[1] // 2, 2).sum((1, 3))
