"""Granularity maps by rate and distortion: cells become fine where this lowers the distortion most per index.

Every cell has a distortion at every granularity, see `hvqcgic.rate_control.cell_distortions`. Squares of 16 px are
split where the decrease of distortion exceeds a slope lambda per index, a quadtree pruned as in Chou, Lookabaugh and
Gray 1989. Lambda is chosen for the wanted number of indices. All indices have the same price: with the entropy model's
bits as prices, cells would be split in flat, well predicted areas, where splits are cheap and hardly visible to people
and to LPIPS. Where splits hardly lower the distortion, as in texture, which no cell size reproduces pixel by pixel, the
information density of the square decides, Control-GIC's rule: a share of the mean gain is added in proportion to it.
Cells are chosen as if they did not affect each other, but the decoder blends neighbouring cells, and
contexts cross their borders. Only the encoder uses this rule; the file format is unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.coder import Analysed, PictureCoder
from hvqcgic.entropy import Masks
from hvqcgic.models import Ratios, counts_from_ratios
from hvqcgic.rate_control.cell_distortions import Plane, cell_density, cell_distortions

_SPLIT = 3
"""Additional indices when a cell is split into four cells of the next size."""
_HALVINGS = 60
DENSITY_SHARE = 0.5
"""Gain of a split at the mean information density, in units of the mean change of distortion from medium to fine."""

_LEAST_DENSITY = 1e-9
"""Keeps divisions finite in pictures of one colour."""


class RdOrder:
    """Granularity maps of one picture by rate and distortion.

    Args:
        distortions: of `cell_distortions`, of the whole picture or of any part of it.
        density: information density of the same squares of 8 px, (2 rows, 2 columns), at least 0; None to choose by
            distortion alone.
    """

    def __init__(self, distortions: Mapping[str, Plane], density: Plane | None = None) -> None:
        fine_gain = distortions["medium"] - distortions["fine"]
        more = 0.0 if density is None else _gain_of_density(fine_gain, density)
        self._fine_gain = fine_gain + more
        self._medium_gain = _sum_of_four(distortions["coarse"] - distortions["medium"] + more)
        self._steepest = 1 + max(float(np.abs(gain).max()) for gain in (self._fine_gain, self._medium_gain))

    def masks(self, shares: Ratios) -> Masks:
        """Return the map with about as many indices as (fine, medium, coarse) shares give."""
        rows, columns = self._medium_gain.shape
        coarse, medium = counts_from_ratios(shares, rows, columns)
        wanted = 16 * rows * columns - 15 * coarse - 3 * medium
        # The bounds are a slope with all cells fine, and a slope with all cells coarse.
        low, high = -2 * self._steepest, 2 * self._steepest
        for _ in range(_HALVINGS):
            slope = (low + high) / 2
            low, high = (slope, high) if _indices(self._at_slope(slope)) > wanted else (low, slope)
        return _between(self._at_slope(high), self._at_slope(low), wanted)

    def _at_slope(self, slope: float) -> Masks:
        """Return the map in which every split lowers the distortion by more than the slope times its indices."""
        fine = self._fine_gain > slope * _SPLIT
        gain = self._medium_gain + _sum_of_four(np.where(fine, self._fine_gain - slope * _SPLIT, 0.0))
        coarse = gain <= slope * _SPLIT
        medium = np.logical_not(fine | coarse.repeat(2, 0).repeat(2, 1))
        return Masks.from_coarser(coarse, medium)


def order_by_distortion(coder: PictureCoder, picture: Analysed, weights: NDArray[np.float32] | None) -> RdOrder:
    """The order of an analysed picture's cells; coder and weights as in `cell_distortions`."""
    return RdOrder(cell_distortions(coder, picture, weights), cell_density(picture, weights))


def _gain_of_density(gain: Plane, density: Plane) -> Plane:
    """What a split of each square gains by its density, in units of the distortion; see `DENSITY_SHARE`."""
    return DENSITY_SHARE * np.abs(gain).mean() * density / max(float(density.mean()), _LEAST_DENSITY)


def _indices(masks: Masks) -> int:
    return sum(masks.count(g) for g in GRANULARITIES)


def _between(coarser: Masks, finer: Masks, wanted: int) -> Masks:
    """Take splits of a finer map from top to bottom until the wanted number of indices; flat areas tie as a whole."""
    more = (_indices_by_square(finer) - _indices_by_square(coarser)).ravel()
    taken = (np.cumsum(more) <= wanted - _indices(coarser)).reshape(coarser.coarse.shape)
    coarse = np.where(taken, finer.coarse, coarser.coarse)
    medium = np.where(taken.repeat(2, 0).repeat(2, 1), finer.medium, coarser.medium)
    return Masks.from_coarser(coarse, medium)


def _indices_by_square(masks: Masks) -> Plane:
    """Number of indices of every 16 px square, (rows, columns)."""
    return masks.coarse + _sum_of_four(masks.medium + _sum_of_four(masks.fine.astype(np.float64)))


def _sum_of_four(plane: Plane) -> Plane:
    """Sum over squares of 2 x 2 cells, (2h, 2w) to (h, w)."""
    return plane.reshape(plane.shape[0] // 2, 2, plane.shape[1] // 2, 2).sum((1, 3))
