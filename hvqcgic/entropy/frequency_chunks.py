"""From the bilinear product of an index prior to frequencies, some cells at a time and ahead of their use.

K = 16384 codes and 25 000 cells are 400 million frequencies, so they pass through a few buffers that fit a processor's
cache. With more than one thread the next cells' frequencies are computed while the range coder takes the last ones'.

Codes too far to matter are not left out before they are computed: of the models trained so far, 81 to 86 % of all codes
lie within the 24 bits that the table spans, cell by cell, so there is little to leave out.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CHUNK_ELEMENTS = 2**19
"""Costs computed at a time by a thread: what its share of a processor's outer cache holds."""
CHUNK_ROWS = 256
MOST_THREADS = 4
"""More would wait for the range coder, which takes a fifth of the work and cannot be shared out."""


@dataclass(frozen=True)
class FrequencyChunk:
    """Frequencies of some consecutive cells.

    Attributes:
        start: first cell.
        stop: one past the last.
        frequencies: (stop - start, K) integers, float64; the memory is used again for a later chunk.
        steps: (stop - start, K) int32: whole steps of the lookup table that each code costs more than its cell's
            cheapest; likewise used again.
    """

    start: int
    stop: int
    frequencies: NDArray[np.float64]
    steps: NDArray[np.int32]


@dataclass(frozen=True)
class PassFrequencies:
    """Frequencies of some consecutive cells of a pass: ranks (n,) of the cells and (n, K) integers in float64."""

    name: str
    ranks: NDArray[np.int64]
    frequencies: NDArray[np.float64]


@dataclass(frozen=True)
class BilinearCosts:
    """What the frequencies of N cells follow from.

    Attributes:
        terms: B, (N, R) float64.
        table: A, (R, K) float64; the product B A is each code's cost in steps of the lookup table.
        lookup: (T,) integers, float64: frequency of a code that costs so many whole steps more than its cell's
            cheapest; what costs more than the last step has the last frequency.
    """

    terms: Tensor
    table: Tensor
    lookup: Tensor

    def chunks(self) -> Iterator[FrequencyChunk]:
        """Frequencies of all cells, in order; each chunk is to be used before the next is asked for."""
        cells, codes = len(self.terms), self.table.shape[1]
        rows = max(1, min(CHUNK_ROWS, CHUNK_ELEMENTS // codes, cells))
        starts = range(0, cells, rows)
        threads = min(torch.get_num_threads(), MOST_THREADS, len(starts))
        if threads > 1:
            yield from self._ahead(starts, [_Buffers(rows, codes) for _ in range(threads + 1)])
            return
        buffers = _Buffers(rows, codes)
        for start in starts:
            with one_thread():
                chunk = self._chunk(start, buffers)
            yield chunk

    def _ahead(self, starts: range, buffers: list[_Buffers]) -> Iterator[FrequencyChunk]:
        """Threads fill all buffers but the one whose chunk is in use."""
        free, pending = deque(buffers), deque[tuple[_Buffers, Future[FrequencyChunk]]]()
        # A thread that starts here takes over that torch keeps to one thread.
        with one_thread(), ThreadPoolExecutor(len(buffers) - 1) as pool:
            for start in starts:
                if not free:
                    used, chunk = pending.popleft()
                    yield chunk.result()
                    free.append(used)
                own = free.popleft()
                pending.append((own, pool.submit(self._chunk, start, own)))
            for _, chunk in pending:
                yield chunk.result()

    @torch.inference_mode()
    def _chunk(self, start: int, buffers: _Buffers) -> FrequencyChunk:
        stop = min(start + len(buffers.cost), len(self.terms))
        cost, steps = buffers.cost[: stop - start], buffers.steps[: stop - start]
        torch.mm(self.terms[start:stop], self.table, out=cost)
        cost.sub_(cost.amin(1, keepdim=True))
        steps.copy_(cost).clamp_(max=len(self.lookup) - 1)
        torch.index_select(self.lookup, 0, steps.view(-1), out=cost.view(-1))
        return FrequencyChunk(start, stop, cost.numpy(), steps.numpy())


class _Buffers:
    """Memory of one chunk: cost, then frequency, of every code; whole steps of the lookup table."""

    def __init__(self, rows: int, codes: int) -> None:
        self.cost = torch.empty(rows, codes, dtype=torch.float64)
        self.steps = torch.empty(rows, codes, dtype=torch.int32)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keeps torch to the calling thread, for small pieces: waking others for each takes seconds on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
