"""Canonical Huffman codes: code lengths from counts, and coding of indices without a loop over bits."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvqcgic.errors import BitstreamError

LONGEST = 32
WINDOW_BITS = 2**20
"""Number of bit positions that a decoder looks up together, to bound memory."""


def code_lengths(counts: NDArray[Any]) -> NDArray[np.int64]:
    """Length of each symbol's code word, (K,), at least 1 bit and at most 32.

    Args:
        counts: (K,) integers, K at least 2; a count of 0 is taken as 1, so that every symbol has a code word.

    Source: Huffman 1952. Ties go to the lower position, so that encoder and decoder agree. Counts so uneven that a word
    would exceed 32 bits are halved until none does.
    """
    weights = np.maximum(np.asarray(counts, np.int64), 1)
    while True:
        lengths = _optimal_lengths(weights.tolist())
        if max(lengths) <= LONGEST:
            return np.array(lengths, np.int64)
        weights = (weights + 1) // 2


def _optimal_lengths(weights: list[int]) -> list[int]:
    """Depth of each leaf of the Huffman tree."""
    heap = [(weight, position) for position, weight in enumerate(weights)]
    heapq.heapify(heap)
    parent = [0] * (2 * len(weights) - 1)
    for node in range(len(weights), 2 * len(weights) - 1):
        first, second = heapq.heappop(heap), heapq.heappop(heap)
        parent[first[1]] = parent[second[1]] = node
        heapq.heappush(heap, (first[0] + second[0], node))
    depth = [0] * len(parent)
    for node in range(len(parent) - 2, -1, -1):
        depth[node] = depth[parent[node]] + 1
    return depth[: len(weights)]


class HuffmanCode:
    """Canonical code for given counts, (K,): words of one length are consecutive, in the order of their symbols."""

    def __init__(self, counts: NDArray[Any]) -> None:
        self.lengths = code_lengths(counts)
        self._by_word = np.lexsort((np.arange(len(self.lengths)), self.lengths))
        shares = np.uint64(1) << (LONGEST - self.lengths[self._by_word]).astype(np.uint64)
        starts = np.cumsum(shares, dtype=np.uint64) - shares  # words, left-aligned in 32 bits
        self._words = np.zeros(len(self.lengths), np.uint64)
        self._words[self._by_word] = starts >> (LONGEST - self.lengths[self._by_word]).astype(np.uint64)
        sizes = np.unique(self.lengths[self._by_word], return_index=True)
        self._sizes, self._first_rank = sizes[0], sizes[1]
        self._first_word = starts[self._first_rank]

    def encode(self, symbols: NDArray[Any]) -> NDArray[np.uint8]:
        """Concatenate the code words of symbols (N,), as bits, (total length,) uint8 of 0 and 1."""
        lengths = self.lengths[symbols]
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        behind = np.repeat(ends, lengths) - np.arange(total) - 1
        return ((np.repeat(self._words[symbols], lengths) >> behind.astype(np.uint64)) & np.uint64(1)).astype(np.uint8)

    def decode(self, bits: NDArray[np.uint8], count: int) -> tuple[NDArray[np.int64], int]:
        """Decode `count` symbols from the start of bits.

        All positions of a window are looked up at once; only the walk from word to word is sequential.

        Returns:
            symbols, (count,), and the number of bits read.

        Raises:
            BitstreamError: the bits end too early.
        """
        symbols = np.zeros(count, np.int64)
        done, position = 0, 0
        while done < count:
            if position + int(self._sizes[0]) > len(bits):
                raise BitstreamError(f"Huffman coded indices end after {done} of {count}; the stream is damaged")
            windows = _windows(bits[position : position + WINDOW_BITS + LONGEST])[:WINDOW_BITS]
            size = np.searchsorted(self._first_word, windows, side="right") - 1
            places, used = _walk(self._sizes[size].astype(np.uint8).tobytes(), count - done)
            size, windows = size[places], windows[places]
            rank = (windows - self._first_word[size]) >> (LONGEST - self._sizes[size]).astype(np.uint64)
            symbols[done : done + len(places)] = self._by_word[self._first_rank[size] + rank.astype(np.int64)]
            done, position = done + len(places), position + used
        if position > len(bits):
            raise BitstreamError("Huffman coded indices end inside a word; the stream is damaged")
        return symbols, position


def _windows(bits: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The 32 bits that start at each position, (n,), with zeros after the end."""
    data = np.packbits(bits).tobytes() + b"\0" * 8
    octets = np.frombuffer(data, np.uint8).astype(np.uint64)
    n = -(-len(bits) // 8)
    word = np.zeros(n, np.uint64)
    for i in range(5):
        word |= octets[i : i + n] << np.uint64(8 * (4 - i))
    shifts = np.arange(8, 0, -1, dtype=np.uint64)
    return ((word[:, None] >> shifts) & np.uint64(2**LONGEST - 1)).reshape(-1)[: len(bits)]


def _walk(lengths: bytes, count: int) -> tuple[list[int], int]:
    """Walk from word to word: return positions where at most `count` words start, and the position after the last."""
    places: list[int] = []
    position, end = 0, len(lengths)
    while position < end and len(places) < count:
        places.append(position)
        position += lengths[position]
    return places, position
