"""Coding of local means: whole numbers with a frozen table for each channel and activity of the neighbours.

Blocks are coded in waves as in `map_coding`: the neighbours left, above, above left and above right of a block lie in
earlier waves. A latent is predicted by the median of left, above and left + above - above left (LOCO-I, Weinberger et
al. 2000), and the difference is coded with the table of its channel and activity. The activity is the sum of
differences between the neighbours, and of the difference that the channel before turned out to have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvqcgic.entropy.factorised_prior import FREQUENCY_TOTAL
from hvqcgic.entropy.integers import shrink
from hvqcgic.entropy.map_coding import IntArray, wave_positions
from hvqcgic.entropy.range_coding import BitCounter, RangeDecoder, SymbolSink
from hvqcgic.errors import BitstreamError, ModelError

CHANNELS = 3
ACTIVITY_BOUNDS = np.array([1, 2, 3, 5, 7, 10, 14, 20])
"""Borders of the classes of activity."""
CLASSES = len(ACTIVITY_BOUNDS) + 1

Resolve = Callable[[int, IntArray, IntArray, IntArray, IntArray], IntArray]
"""(channel, rows, columns, predictions, classes of activity) of a wave's blocks to their differences."""


class MeansCoder:
    """Codes latents of local means.

    Args:
        table: frequencies (3, CLASSES, 2 L + 1) of differences -L .. L, of `fit_means_table`.

    Raises:
        ModelError: the table has another size or impossible values.
    """

    def __init__(self, table: NDArray[Any]) -> None:
        shape = table.shape
        if len(shape) != 3 or shape[:2] != (CHANNELS, CLASSES) or shape[2] % 2 == 0 or not 3 <= shape[2] <= 2**10:
            raise ModelError(f"means.table has shape {shape}, not (3, {CLASSES}, an odd number up to {2**10})")
        if table.dtype.kind not in "iu" or table.min() < 1 or table.max() > FREQUENCY_TOTAL:
            raise ModelError(f"means.table holds frequencies out of 1 to {FREQUENCY_TOTAL}")
        self._table = table.astype(np.float64)
        self.largest_difference = shape[2] // 2
        self.limit = self.largest_difference // 2

    def encode(self, encoder: SymbolSink, latents: NDArray[Any]) -> float:
        """Encode latents (3, h, w), see `checked`; return bits."""
        values, bits = self.checked(latents), 0.0

        def resolve(channel: int, rows: IntArray, columns: IntArray, told: IntArray, classes: IntArray) -> IntArray:
            nonlocal bits
            differences = values[channel, rows, columns] - told
            bits += encoder.encode_each(differences + self.largest_difference, self._table[channel, classes])
            return differences

        _walk(values.shape[1], values.shape[2], resolve)
        return bits

    def decode(self, decoder: RangeDecoder, h: int, w: int) -> IntArray:
        """Decode latents (3, h, w).

        Raises:
            BitstreamError: a latent is out of range; the data are damaged.
        """

        def resolve(channel: int, rows: IntArray, columns: IntArray, told: IntArray, classes: IntArray) -> IntArray:
            differences = decoder.decode_each(self._table[channel, classes]) - self.largest_difference
            if np.abs(told + differences).max() > self.limit:
                raise BitstreamError(f"local means beyond {self.limit}; the stream is damaged")
            return differences

        return _walk(h, w, resolve)

    def bits(self, latents: NDArray[Any]) -> float:
        """Bits of latents (3, h, w), without coding them."""
        return self.encode(BitCounter(), latents)

    def checked(self, latents: NDArray[Any]) -> IntArray:
        """Latents as int64; raises `ValueError` unless they are (3, h, w) whole numbers in -L/2 .. L/2."""
        values = np.asarray(latents).astype(np.int64)
        if values.ndim != 3 or len(values) != CHANNELS or (values.size and np.abs(values).max() > self.limit):
            raise ValueError(f"local means of shape {values.shape}: give (3, h, w) numbers up to {self.limit}")
        return values


def differences_of(latents: IntArray) -> tuple[IntArray, IntArray]:
    """Differences from the prediction and classes of activity, (3, h, w) each, of latents (3, h, w)."""
    classes = np.zeros_like(latents)
    differences = np.zeros_like(latents)

    def resolve(channel: int, rows: IntArray, columns: IntArray, told: IntArray, activity: IntArray) -> IntArray:
        found = latents[channel, rows, columns] - told
        differences[channel, rows, columns], classes[channel, rows, columns] = found, activity
        return found

    _walk(latents.shape[1], latents.shape[2], resolve)
    return differences, classes


def fit_means_table(pictures: Sequence[NDArray[Any]], limit: int) -> NDArray[Any]:
    """Fit the table of `MeansCoder` to latents of pictures.

    Args:
        pictures: latents, (3, h, w) whole numbers up to the limit each.
        limit: largest magnitude of a latent.
    Returns:
        frequencies, (3, CLASSES, 4 limit + 1), symmetric and at least 1.
    """
    counts = np.full((CHANNELS, CLASSES, 4 * limit + 1), 0.02)
    for latents in pictures:
        differences, classes = differences_of(np.asarray(latents, np.int64))
        for channel in range(CHANNELS):
            np.add.at(counts[channel], (classes[channel].ravel(), differences[channel].ravel() + 2 * limit), 1)
    counts += counts[:, :, ::-1]
    share = counts / counts.sum(2, keepdims=True)
    return shrink(np.maximum(np.round(share * FREQUENCY_TOTAL), 1).astype(np.int64))


def _walk(h: int, w: int, resolve: Resolve) -> IntArray:
    """Process all blocks wave by wave, in the same way for encoder and decoder; return the latents (3, h, w)."""
    # A row above, and a column on either side: every neighbour has a place.
    values = np.zeros((CHANNELS, h + 1, w + 2), np.int64)
    for rows, columns in wave_positions(np.zeros((h, w), np.bool_)):
        near = _neighbours(values, rows, columns, w)
        told, active = _prediction(*near[:3]), _activity(*near)
        found: list[IntArray] = []
        for channel in range(CHANNELS):
            activity = (active[0], active[1] + active[2], active[1] + active[2])[channel]
            if channel:
                activity = activity + (np.abs(found[0]) // 2 if channel == 1 else np.abs(found[1]) * 2)
            classes = np.searchsorted(ACTIVITY_BOUNDS, activity, side="right")
            found.append(resolve(channel, rows, columns, told[channel], classes))
        values[:, rows + 1, columns + 1] = told + np.stack(found)
    return values[:, 1:, 1 : w + 1].copy()


def _neighbours(values: IntArray, rows: IntArray, columns: IntArray, w: int) -> tuple[IntArray, ...]:
    """Latents left, above, above left and above right of a wave's blocks, (3, N) each; beyond a border the next one."""
    left, above = values[:, rows + 1, columns], values[:, rows, columns + 1]
    above_left, above_right = values[:, rows, columns], values[:, rows, columns + 2]
    top, first, last = rows == 0, columns == 0, columns == w - 1
    above, left = np.where(top, left, above), np.where(first, above, left)
    above_left = np.where(top, left, np.where(first, above, above_left))
    return left, above, above_left, np.where(top | last, above, above_right)


def _prediction(left: IntArray, above: IntArray, above_left: IntArray) -> IntArray:
    low, high = np.minimum(left, above), np.maximum(left, above)
    return np.clip(left + above - above_left, low, high)


def _activity(left: IntArray, above: IntArray, above_left: IntArray, above_right: IntArray) -> IntArray:
    return np.abs(np.stack([above - above_left, left - above_left, above_right - above])).sum(0)
