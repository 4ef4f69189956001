"""Forecast of the bytes of a file at a place of the ratio path, from the bits of indices in earlier trials."""

from __future__ import annotations

import numpy as np

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.coder import Trial
from hvqcgic.models import counts_from_ratios
from hvqcgic.rate_control.ratio_path import ratios

TYPICAL_BITS = {"coarse": 0.75, "medium": 0.8, "fine": 0.85}
"""Typical bits of an index, as a share of the fixed length, before the first trial."""
ENOUGH_INDICES = 50
"""Number of indices of a granularity whose mean bits are a reliable estimate."""


class SizeForecast:
    """Mean bits of an index of each granularity, of one picture."""

    def __init__(self, codebook_size: int, grid: tuple[int, int], path: str) -> None:
        """Start from typical bits.

        Args:
            codebook_size: of the model.
            grid: rows and columns of 16 px cells.
            path: the ratio path.
        """
        codes = float(np.log2(codebook_size))
        self._index_bits = {g: share * codes for g, share in TYPICAL_BITS.items()}
        self._grid, self._path = grid, path

    def at(self, place: float) -> float:
        """Forecast the bytes at a place from the last trial's mean bits per index of each granularity."""
        # The place is added, so that the forecast grows where counts do not.
        return 40 + place + sum(count * self._index_bits[g] for g, count in self._counts(place).items()) / 8

    def learn(self, trial: Trial) -> None:
        """Take the mean bits of a trial's indices."""
        for granularity in GRANULARITIES:
            count = trial.encoded.masks.count(granularity)
            if count >= ENOUGH_INDICES:
                self._index_bits[granularity] = trial.parts[granularity] / count

    def _counts(self, place: float) -> dict[str, int]:
        rows, columns = self._grid
        coarse, medium = counts_from_ratios(ratios(place, self._path), rows, columns)
        return {"coarse": coarse, "medium": medium, "fine": 16 * rows * columns - 16 * coarse - 4 * medium}
