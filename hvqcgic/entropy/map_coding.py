"""Coding of the granularity map (design, section 4).

The map is a ternary quadtree: a plane of 16-pixel cells (coarse or not), then a plane of 8-pixel cells in the rest
(medium or not). Each of the two binary planes is coded in waves. A cell's context lies in earlier waves, so the cells
of a wave are conditionally independent, and encoder and decoder are vectorised. A small frozen network in integers
gives the probability that a cell is taken. Its inputs are the states of the cells around and the share of cells still
to be placed, which follows from the header's counts and the cells so far. It has one hidden layer. Waves in which the
counts leave no choice are not sent.

Deviation from the design, which specifies context tables in checkerboard passes. Measured on Kodak with the same
training maps: passes from a sparse lattice to its gaps, with a network for each, take 9 % more bits than causal
contexts; context tables take 4 to 5 % more bits than this network and are ten times its size.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvqcgic.entropy.exact_layers import LARGEST_SUM
from hvqcgic.entropy.masks import BoolArray, Masks, regrid
from hvqcgic.entropy.range_coding import RangeDecoder, SymbolSink
from hvqcgic.errors import BitstreamError, ModelError

IntArray = NDArray[np.int64]

RADIUS = 3
SKEW = 2
"""A cell (row, column) lies in wave column + SKEW · row."""
OUTSIDE, EMPTY, TAKEN, CLOSED = range(4)
"""States of a cell: beyond the border or not yet coded; not in the plane; in the plane; already coded as coarser."""
_SPAN = range(-RADIUS, RADIUS + 1)
AROUND = tuple((i, j) for i in _SPAN for j in _SPAN if j + SKEW * i < 0 or (i, j) > (0, 0))
"""(row, column) of the context: cells of earlier waves, and later cells, of which only CLOSED is known."""
SHARE_BOUNDS = np.array([1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 62, 63])
"""Borders of the buckets of the share of cells still to be placed, in 64ths."""
STATE_INPUTS = 3 * len(AROUND)
INPUTS = STATE_INPUTS + len(SHARE_BOUNDS) + 1
ONE_HOT = np.eye(4)[:, 1:]
"""One-hot inputs of a state; OUTSIDE has none."""
WEIGHT_BITS = 10
LOGIT_STEPS = 16
"""Steps per nat of the logit in the table of probabilities."""
LOGIT_LIMIT = 11
PROBABILITY_BITS = 16
PLANES = ("coarse", "medium")


@dataclass(frozen=True)
class Wave:
    """Cells coded together.

    Attributes:
        rows: (N,) rows of the cells.
        columns: (N,) columns of the cells.
        around: (N, len(AROUND)) states of the cells around each cell.
        share: bucket of the share of cells still to be placed.
    """

    rows: IntArray
    columns: IntArray
    around: IntArray
    share: int

    def features(self) -> BoolArray:
        """(N, INPUTS): one-hot states of the cells around, without OUTSIDE, and one-hot bucket of the share."""
        states = (self.around[:, :, None] == np.array([EMPTY, TAKEN, CLOSED])).reshape(len(self.rows), -1)
        share = np.zeros((len(self.rows), INPUTS - STATE_INPUTS), np.bool_)
        share[:, self.share] = True
        return np.concatenate([states, share], 1)


Resolve = Callable[[Wave], BoolArray]


class MapCoder:
    """Codes granularity maps.

    Args:
        arrays: "map.coarse.hidden" (INPUTS, H), "map.coarse.output" (H + 1,), the same for medium, and
            "map.probabilities", from `hvqcgic.entropy.map_fitting.fit_map_coder`.

    Raises:
        ModelError: an array has another size or impossible values.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        table = arrays["map.probabilities"].astype(np.float64)
        top = 2**PROBABILITY_BITS
        if table.shape != (2 * LOGIT_LIMIT * LOGIT_STEPS + 1,) or table.min() < 1 or table.max() >= top:
            raise ModelError(f"map.probabilities has shape {table.shape} or values out of 1 to {top - 1}")
        self._table = np.stack([top - table, table], 1)
        self._weights = {plane: _plane_weights(arrays, plane) for plane in PLANES}

    def encode(self, encoder: SymbolSink, masks: Masks) -> float:
        """Encode a map whose counts the decoder knows; return bits."""
        symbols, frequencies = [np.zeros(0, np.bool_)], [np.zeros((0, 2))]

        def resolve_with(name: str) -> Resolve:
            def resolve(wave: Wave) -> BoolArray:
                symbols.append(masks[name][wave.rows, wave.columns])
                frequencies.append(self._frequencies(name, wave))
                return symbols[-1]

            return resolve

        coarser = np.zeros_like(masks.coarse)
        for name in PLANES:
            run_plane(coarser, masks.count(name), resolve_with(name))
            coarser = regrid(masks.coarse, "coarse", "medium")
        # All waves at once, which are the same bytes as one after the other, with hundreds of calls less.
        return encoder.encode_each(np.concatenate(symbols), np.concatenate(frequencies))

    def decode(self, decoder: RangeDecoder, h16: int, w16: int, n_coarse: int, n_medium: int) -> Masks:
        """Decode a map of h16 × w16 coarse cells.

        Raises:
            BitstreamError: the data are damaged.
        """

        def resolve_with(name: str) -> Resolve:
            return lambda wave: decoder.decode_each(self._frequencies(name, wave)).astype(np.bool_)

        coarse = run_plane(np.zeros((h16, w16), np.bool_), n_coarse, resolve_with("coarse"))
        medium = run_plane(regrid(coarse, "coarse", "medium"), n_medium, resolve_with("medium"))
        return Masks.from_coarser(coarse, medium)

    def _frequencies(self, name: str, wave: Wave) -> NDArray[np.float64]:
        """(N, 2) frequencies of "not taken" and "taken" of a wave's cells."""
        # Waves have some twenty cells: what takes time is the number of calls.
        states, share, output, half = self._weights[name]
        active = ONE_HOT.take(wave.around, axis=0).reshape(len(wave.rows), -1) @ states
        active += share[wave.share]
        step = np.maximum(active, 0, out=active) @ output
        step += half
        np.maximum(np.floor(step, out=step), 0, out=step)
        return self._table.take(np.minimum(step, len(self._table) - 1, out=step).astype(np.int64), axis=0)


def run_plane(closed: BoolArray, taken_left: int, resolve: Resolve) -> BoolArray:
    """Process a plane wave by wave, in the same way for encoder and decoder.

    Args:
        closed: (h, w) cells that are not part of the plane.
        taken_left: number of taken cells in the plane.
        resolve: returns the taken cells of a wave; called for waves in which there is a choice.

    Returns:
        (h, w) bool, the taken cells.

    Raises:
        BitstreamError: `resolve` returned a wrong number of taken cells.
    """
    h, w = closed.shape
    width = w + 2 * RADIUS
    states = np.full((h + 2 * RADIUS, width), OUTSIDE, np.int64)
    inside, flat = states[RADIUS : RADIUS + h, RADIUS : RADIUS + w], states.reshape(-1)
    inside[closed] = CLOSED
    steps, bounds = np.array([i * width + j for i, j in AROUND]), SHARE_BOUNDS.tolist()
    cells_left = int(np.count_nonzero(~closed))
    for rows, columns in wave_positions(closed):
        if taken_left in (0, cells_left):
            inside[inside == OUTSIDE] = TAKEN if taken_left else EMPTY
            break
        places = (rows + RADIUS) * width + columns + RADIUS
        share = bisect_left(bounds, -(-64 * taken_left // cells_left))
        taken = resolve(Wave(rows, columns, flat[places[:, None] + steps], share))
        flat[places] = taken.astype(np.int64) * (TAKEN - EMPTY) + EMPTY
        taken_left -= int(np.count_nonzero(taken))
        cells_left -= len(rows)
        if not 0 <= taken_left <= cells_left:
            raise BitstreamError("granularity map holds other counts than the header; the stream is damaged")
    return inside == TAKEN


def wave_positions(closed: BoolArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield rows and columns of each wave's cells that are not closed, in order; waves without cells are skipped."""
    rows, columns = np.nonzero(~closed)
    waves = columns + SKEW * rows
    order = np.argsort(waves, kind="stable")
    rows, columns = rows[order], columns[order]
    starts = np.flatnonzero(np.diff(waves[order], prepend=-1))
    for start, stop in pairwise([*starts.tolist(), len(order)]):
        yield rows[start:stop], columns[start:stop]


def _plane_weights(
    arrays: Mapping[str, NDArray[Any]], plane: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], np.float64]:
    """One plane's network, checked for shape and range.

    Returns:
        integers of states (STATE_INPUTS, H) and shares (buckets, H); the output's (H,) and its constant, in rows of the
        table of probabilities, the half of the rounding included: powers of two change no digit.
    """
    hidden = arrays[f"map.{plane}.hidden"].astype(np.float64)
    output = arrays[f"map.{plane}.output"].astype(np.float64)
    if hidden.ndim != 2 or len(hidden) != INPUTS or output.shape != (hidden.shape[1] + 1,):
        raise ModelError(f"map.{plane}: weights of shapes {hidden.shape} and {output.shape} do not fit {INPUTS} inputs")
    largest = np.abs(hidden).sum(0) @ np.abs(output[:-1]) + np.abs(output[-1])
    if not largest <= LARGEST_SUM:
        raise ModelError(f"map.{plane}: sums may reach 2^{np.log2(largest):.1f}, exact are 2^50; the model is damaged")
    scaled = output * (LOGIT_STEPS * 2.0 ** (-2 * WEIGHT_BITS))
    return hidden[:STATE_INPUTS], hidden[STATE_INPUTS:], scaled[:-1], scaled[-1] + LOGIT_LIMIT * LOGIT_STEPS + 0.5
