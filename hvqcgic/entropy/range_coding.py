"""The range coder: integer frequencies and symbols to bytes, and back.

Why it is exact. `constriction`'s Categorical(lazy=True, perfect=False), of 24 bits, turns frequencies f_0 .. f_{K-1}
into intervals with

    scale = (2^24 - K) / (f_0 + ... + f_{K-1})          left(k) = floor((f_0 + ... + f_{k-1}) · scale) + k

in the floating-point type of the matrix it is given, float32 or float64 (constriction's source, file
src/stream/model/categorical/lazy_contiguous.rs). Our frequencies are integers held in float64, each at most 2^30, fewer
than 2^22 of them, so that every partial sum stays below 2^53 and is exact in whatever order it is taken. What is left
is one division and one product, which IEEE 754 rounds the same way everywhere, and a truncation. Encoder and decoder
evaluate the same expression; the decoder's search first skips symbols below a bound that is two units in the last place
on the safe side. float32 would not do: its sums stop being exact at 2^24. Every symbol gets at least 2^-24, and the
last interval ends at 2^24 by definition.

Where every symbol has a row of its own, `constriction` adds up each row one frequency after the other. Where rows are
long the encoder evaluates the same expression itself, from sums of blocks, and hands over the one interval it needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import constriction
import numpy as np
from numpy.typing import NDArray

from hvqcgic.errors import BitstreamError

PRECISION_BITS = 24
WORD_BITS = 32
LONG_ROW = 2048
"""Codes from which on sums of blocks are the faster way to encode."""
BLOCK = 64
"""Frequencies of a block."""

Frequencies = NDArray[np.float64]


class SymbolSink(Protocol):
    """What takes symbols, as `RangeEncoder` does."""

    def encode_each(self, symbols: NDArray[Any], frequencies: Frequencies) -> float:
        """Takes symbols (N,) with one row of frequencies (N, K) each; returns their bits."""
        ...

    def bits_of_each(self, symbols: NDArray[Any], frequencies: Frequencies) -> Frequencies:
        """As `encode_each`; returns the bits of each symbol (N,)."""
        ...

    def encode_all(self, symbols: NDArray[Any], frequencies: Frequencies) -> float:
        """Takes symbols (N,) that share one row of frequencies (K,); returns their bits."""
        ...


class BitCounter:
    """Tells what symbols would cost, and writes nothing."""

    def encode_each(self, symbols: NDArray[Any], frequencies: Frequencies) -> float:
        """Bits of symbols (N,) with one row of frequencies (N, K) each."""
        return float(self.bits_of_each(symbols, frequencies).sum())

    def bits_of_each(self, symbols: NDArray[Any], frequencies: Frequencies) -> Frequencies:
        """As `encode_each`, bits of each symbol (N,)."""
        chosen = frequencies[np.arange(len(symbols)), np.asarray(symbols, np.int64)]
        return symbol_bits(chosen, frequencies.sum(1), frequencies.shape[1])

    def encode_all(self, symbols: NDArray[Any], frequencies: Frequencies) -> float:
        """Bits of symbols (N,) that share one row of frequencies (K,)."""
        chosen = frequencies[np.asarray(symbols, np.int64)]
        return float(symbol_bits(chosen, frequencies.sum(), len(frequencies)).sum())


class RangeEncoder:
    """Collects symbols; `finish` gives the bytes."""

    def __init__(self) -> None:
        self._coder = _STREAM.queue.RangeEncoder()

    def encode_each(self, symbols: NDArray[Any], frequencies: Frequencies) -> float:
        """Codes symbols (N,) with one row of frequencies (N, K) each, K at least 2.

        Returns:
            Bits that the symbols cost.
        """
        return float(self.bits_of_each(symbols, frequencies).sum())

    def bits_of_each(self, symbols: NDArray[Any], frequencies: Frequencies) -> Frequencies:
        """As `encode_each`; returns the bits of each symbol (N,)."""
        if len(symbols) == 0:
            return np.zeros(0)
        codes = frequencies.shape[1]
        if codes < LONG_ROW:
            symbols = np.ascontiguousarray(symbols, np.int32)
            self._coder.encode(symbols, _FAMILY, frequencies)
            chosen, totals = frequencies[np.arange(len(symbols)), symbols], frequencies.sum(1)
        else:
            sums = _sums(np.asarray(symbols, np.int64), frequencies)
            self._coder.encode(*_as_one_of_three(sums))
            chosen, totals = sums.chosen, sums.totals
        return symbol_bits(chosen, totals, codes)

    def encode_all(self, symbols: NDArray[Any], frequencies: Frequencies) -> float:
        """Codes symbols (N,) that share one row of frequencies (K,); returns their bits."""
        if len(symbols) == 0:
            return 0.0
        symbols = np.ascontiguousarray(symbols, np.int32)
        self._coder.encode(symbols, _shared_model(frequencies))
        return float(symbol_bits(frequencies[symbols], frequencies.sum(), len(frequencies)).sum())

    def finish(self) -> bytes:
        """Everything coded so far, as bytes that do not end in zero.

        The coder marks its final interval by one of its lowest points, in whole words. Any point in it decodes to the
        same symbols, so the one with the most zero bytes at its end is taken, as these need not be stored.
        """
        words = self._coder.get_compressed().astype(">u4").tobytes()
        _, (lower, size) = self._coder.pos()
        point = int.from_bytes(words, "big")
        above_lower = ((point << WORD_BITS) - lower) % (1 << 2 * WORD_BITS)
        if above_lower < 1 << WORD_BITS:  # else the interval is so small that it took one more word to mark it
            for zero_bits in (32, 24, 16, 8):
                rounded = -(-point >> zero_bits) << zero_bits
                if (rounded - point) << WORD_BITS < size - above_lower:
                    point = rounded
                    break
        return point.to_bytes(len(words), "big").rstrip(b"\0")


class RangeDecoder:
    """Reads what `RangeEncoder` wrote; any bytes give symbols or `BitstreamError`."""

    def __init__(self, data: bytes) -> None:
        padded = data + b"\0" * (-len(data) % 4)
        self._coder = _STREAM.queue.RangeDecoder(np.frombuffer(padded, ">u4").astype(np.uint32))

    def clone(self) -> RangeDecoder:
        """Another one that goes on from here."""
        other = RangeDecoder(b"")
        other._coder = self._coder.clone()
        return other

    def decode_each(self, frequencies: Frequencies) -> NDArray[np.int64]:
        """One symbol for each row of frequencies (N, K); (N,)."""
        if len(frequencies) == 0:
            return np.zeros(0, np.int64)
        return self._decode(_FAMILY, frequencies)

    def decode_all(self, frequencies: Frequencies, count: int) -> NDArray[np.int64]:
        """`count` symbols that share one row of frequencies (K,)."""
        if count == 0:
            return np.zeros(0, np.int64)
        return self._decode(_shared_model(frequencies), count)

    def _decode(self, *arguments: Any) -> NDArray[np.int64]:
        try:
            return self._coder.decode(*arguments).astype(np.int64)
        except (AssertionError, ValueError) as error:
            raise BitstreamError(
                "range coded data are damaged: they decode to nothing this model could write"
            ) from error


def symbol_bits(chosen: Frequencies, totals: Frequencies | np.float64, codes: int) -> Frequencies:
    """Bits of symbols whose frequencies were `chosen` of `totals`, with the coder's own floor of 2^-24 a symbol."""
    share = (chosen * ((2**PRECISION_BITS - codes) / totals) + 1) / 2**PRECISION_BITS
    return -np.log2(share)


@dataclass(frozen=True)
class _Sums:
    """What the intervals of N symbols follow from.

    Attributes:
        symbols: (N,) int64.
        below: (N,) sums of the frequencies before each symbol's.
        chosen: (N,) the symbols' frequencies.
        totals: (N,) sums of whole rows.
        codes: K.
    """

    symbols: NDArray[np.int64]
    below: Frequencies
    chosen: Frequencies
    totals: Frequencies
    codes: int


def _sums(symbols: NDArray[np.int64], frequencies: Frequencies) -> _Sums:
    """One pass over all frequencies, whose sums are exact in any order; then the block of each symbol."""
    count, codes = frequencies.shape
    rows, whole = np.arange(count), codes // BLOCK * BLOCK
    blocks = np.zeros((count, whole // BLOCK + 2))
    np.einsum("nbi->nb", frequencies[:, :whole].reshape(count, whole // BLOCK, BLOCK), out=blocks[:, 1:-1])
    frequencies[:, whole:].sum(1, out=blocks[:, -1])
    cumulative = np.cumsum(blocks, 1)
    block = symbols // BLOCK
    columns = block[:, None] * BLOCK + np.arange(BLOCK)
    own = frequencies[rows[:, None], np.minimum(columns, codes - 1)]
    below = cumulative[rows, block] + (own * (columns < symbols[:, None])).sum(1)
    return _Sums(symbols, below, frequencies[rows, symbols], cumulative[:, -1], codes)


def _as_one_of_three(sums: _Sums) -> tuple[NDArray[np.int32], Any, Frequencies]:
    """The symbols as first, middle or last of three whose intervals are the same: what `encode` takes.

    Three frequencies that add up to 2^24 - 3 have scale 1, so each is the size of an interval, less one. With more than
    three codes there is room for all three.
    """
    scale = (2**PRECISION_BITS - sums.codes) / sums.totals
    left = np.floor(sums.below * scale) + sums.symbols
    right = np.floor((sums.below + sums.chosen) * scale) + sums.symbols + 1
    first, last = sums.symbols == 0, sums.symbols == sums.codes - 1
    lower = np.where(first, right, np.where(last, left - 1, left))
    upper = np.where(first, right + 1, np.where(last, left, right))
    places = 1 + last.astype(np.int32) - first.astype(np.int32)
    return places, _FAMILY, np.stack([lower, upper - lower, 2**PRECISION_BITS - upper], 1) - 1.0


_STREAM: Any = constriction.stream  # pyright: ignore[reportAttributeAccessIssue]
_FAMILY = _STREAM.model.Categorical(lazy=True, perfect=False)


def _shared_model(frequencies: Frequencies) -> Any:
    return _STREAM.model.Categorical(frequencies, lazy=False, perfect=False)
