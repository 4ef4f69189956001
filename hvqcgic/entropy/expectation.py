"""Mean and standard deviation of unread codes under the index prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.entropy.range_coding import Frequencies


@dataclass(frozen=True)
class CodeMoments:
    """Mean and standard deviation of the codes of n cells, (n, d) float32 each."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


def code_moments(frequencies: Frequencies, codebook: NDArray[np.float32]) -> CodeMoments:
    """Compute the moments of codes under given frequencies.

    Args:
        frequencies: of all codes, (n, K), each row with a sum above 0.
        codebook: (K, d).
    """
    codes = codebook.astype(np.float64)
    sums = frequencies @ np.concatenate([codes, codes * codes], 1) / frequencies.sum(1, keepdims=True)
    mean, square = np.split(sums, 2, axis=1)
    return CodeMoments(mean.astype(np.float32), np.sqrt(np.maximum(square - mean * mean, 0)).astype(np.float32))


class MomentsByCell:
    """Collects the moments of all cells of a picture, chunk by chunk during reading."""

    def __init__(self, codebook: NDArray[np.float32], counts: Mapping[str, int]) -> None:
        """Args: codebook: (K, d); counts: cells of each granularity."""
        self._codebook = codebook
        shapes = {g: (counts[g], codebook.shape[1]) for g in GRANULARITIES}
        self.moments = {g: CodeMoments(np.zeros(s, np.float32), np.zeros(s, np.float32)) for g, s in shapes.items()}
        """Moments per granularity, cells in raster order; 0 for cells not added yet."""

    def add(self, granularity: str, ranks: NDArray[np.int64], frequencies: Frequencies) -> None:
        """Add some cells: their positions among those of their granularity, (n,), and frequencies, (n, K)."""
        found, own = code_moments(frequencies, self._codebook), self.moments[granularity]
        own.mean[ranks], own.deviation[ranks] = found.mean, found.deviation
