"""Coding of a hyper-latent z: integers with one frozen table per channel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvqcgic.entropy.integers import shrink
from hvqcgic.entropy.masks import BoolArray, any_in_blocks
from hvqcgic.entropy.range_coding import RangeDecoder, SymbolSink
from hvqcgic.errors import ModelError

FREQUENCY_TOTAL = 2**24


def freeze_pmf(pmf: NDArray[np.float64]) -> NDArray[Any]:
    """Convert probabilities (Cz, 2 z_limit + 1) of -z_limit .. z_limit to frequencies of z, at least 1."""
    shares = np.asarray(pmf, np.float64)
    if not (np.all(np.isfinite(shares)) and np.all(shares >= 0) and np.all(shares.sum(1) > 0)):
        raise ModelError("factorised prior: probabilities must be finite, not negative, and not all zero")
    shares = shares / shares.sum(1, keepdims=True)
    return shrink(np.maximum(np.round(shares * FREQUENCY_TOTAL), 1).astype(np.int64))


def sent_positions(mask: BoolArray, footprint: int = 4) -> BoolArray:
    """Positions of z whose F x F cells hold one of the granularity; (h, w) to (ceil(h / F), ceil(w / F))."""
    return any_in_blocks(mask, footprint)


class FactorisedPrior:
    """Codes z (Cz, hz, wz) of one granularity.

    Args:
        frequencies: (Cz, 2 z_limit + 1) integers, at least 1.

    Raises:
        ModelError: the table is not of that shape, or holds values out of range.
    """

    def __init__(self, frequencies: NDArray[Any]) -> None:
        if frequencies.ndim != 2 or frequencies.shape[1] % 2 == 0 or frequencies.shape[1] < 3:
            raise ModelError(f"factorised prior: table of shape {frequencies.shape}, expected (channels, 2 limit + 1)")
        if frequencies.min() < 1 or frequencies.max() > 2**30:
            raise ModelError("factorised prior: frequencies must be 1 to 2^30")
        self.frequencies = frequencies.astype(np.float64)
        self.channels = len(frequencies)
        self.limit = frequencies.shape[1] // 2

    def sent(self, z: NDArray[Any], sent: BoolArray) -> NDArray[np.int64]:
        """Return the values of z (Cz, hz, wz) at sent positions (hz, wz), and 0 elsewhere.

        Raises:
            ValueError: z has another shape, or a value is no integer or beyond ± limit.
        """
        if z.shape != (self.channels, *sent.shape):
            raise ValueError(f"z has shape {z.shape}, expected {(self.channels, *sent.shape)}")
        values = np.where(sent, z, 0)
        if not np.all((np.abs(values) <= self.limit) & (values == np.round(values))):
            raise ValueError(f"z must hold integers from {-self.limit} to {self.limit}")
        return values.astype(np.int64)

    def encode(self, encoder: SymbolSink, z: NDArray[np.int64], sent: BoolArray) -> float:
        """Encode z at the sent positions; return bits."""
        symbols = z[:, sent] + self.limit
        return sum(encoder.encode_all(row, table) for row, table in zip(symbols, self.frequencies, strict=True))

    def decode(self, decoder: RangeDecoder, sent: BoolArray) -> NDArray[np.int64]:
        """Decode z, (Cz, hz, wz); 0 where not sent."""
        z = np.zeros((self.channels, *sent.shape), np.int64)
        count = int(np.count_nonzero(sent))
        for channel, table in zip(z, self.frequencies, strict=True):
            channel[sent] = decoder.decode_all(table, count) - self.limit
        return z
