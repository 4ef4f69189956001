"""The range coder: integer frequencies and symbols to bytes, and bytes to symbols.

Why it is exact. `constriction`'s Categorical(lazy=True, perfect=False), of 24 bits, turns frequencies f_0 .. f_{K-1}
into intervals with

    scale = (2^24 - K) / (f_0 + ... + f_{K-1})          left(k) = floor((f_0 + ... + f_{k-1}) · scale) + k

in the floating-point type of its input matrix, float32 or float64 (constriction's source, file
src/stream/model/categorical/lazy_contiguous.rs). Our frequencies are integers in float64, each at most 2^30, and fewer
than 2^22 of them, so that every partial sum is below 2^53 and exact in any order. The expression adds one division and
one product, which IEEE 754 rounds in the same way everywhere, and a truncation. Encoder and decoder evaluate the same
expression. The decoder's search first skips symbols below a bound that is two units in the last place on the safe side.
float32 would not do, because its sums are not exact above 2^24. Every symbol gets at least 2^-24, and the last interval
ends at 2^24 by definition.

If every symbol has its own row, `constriction` adds up each row one frequency after the other. For long rows the
encoder evaluates the same expression itself, from sums of blocks, and passes on only the interval that it needs.
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
"""Number of codes from which sums of blocks are the faster way to encode."""
BLOCK = 64
"""Number of frequencies in a block."""

Frequencies = NDArray[np.float64]


class SymbolSink(Protocol):
    """A receiver of symbols, such as `RangeEncoder`."""

    def encode_each(self, symbols: NDArray[Any], frequencies: Frequencies) -> float:
        """Receive symbols (N,) with one row of frequencies (N, K) each; return their bits."""
        ...

    def bits_of_each(self, symbols: NDArray[Any], frequencies: Frequencies) -> Frequencies:
        """See `encode_each`; return the bits of each symbol (N,)."""
        ...

    def encode_all(self, symbols: NDArray[Any], frequencies: Frequencies) -> float:
        """Receive symbols (N,) that share one row of frequencies (K,); return their bits."""
        ...


class BitCounter:
    """Counts the bits of symbols without writing them."""

    def encode_each(self, symbols: NDArray[Any], frequencies: Frequencies) -> float:
        """Bits of symbols (N,) with one row of frequencies (N, K) each."""
        return float(self.bits_of_each(symbols, frequencies).sum())

    def bits_of_each(self, symbols: NDArray[Any], frequencies: Frequencies) -> Frequencies:
        """See `encode_each`; bits of each symbol (N,)."""
        chosen = frequencies[np.arange(len(symbols)), np.asarray(symbols, np.int64)]
        return symbol_bits(chosen, frequencies.sum(1), frequencies.shape[1])

    def encode_all(self, symbols: NDArray[Any], frequencies: Frequencies) -> float:
        """Bits of symbols (N,) that share one row of frequencies (K,)."""
        chosen = frequencies[np.asarray(symbols, np.int64)]
        return float(symbol_bits(chosen, frequencies.sum(), len(frequencies)).sum())


class BitRecorder(BitCounter):
    """Counts as `BitCounter` does, and keeps the bits of each symbol, in the order received."""

    def __init__(self) -> None:
        self._told: list[Frequencies] = []

    def bits_of_each(self, symbols: NDArray[Any], frequencies: Frequencies) -> Frequencies:
        """See `SymbolSink`."""
        bits = super().bits_of_each(symbols, frequencies)
        self._told.append(bits)
        return bits

    def encode_all(self, symbols: NDArray[Any], frequencies: Frequencies) -> float:
        """See `SymbolSink`."""
        return self.encode_each(symbols, np.broadcast_to(frequencies, (len(symbols), len(frequencies))))

    def finish(self) -> Frequencies:
        """Return the bits of each symbol so far, (N,), and start anew."""
        told, self._told = self._told, []
        return np.concatenate([np.zeros(0), *told])


class RangeEncoder:
    """Collects symbols; `finish` returns the bytes."""

    def __init__(self) -> None:
        self._coder = _STREAM.queue.RangeEncoder()

    def encode_each(self, symbols: NDArray[Any], frequencies: Frequencies) -> float:
        """Encode symbols (N,) with one row of frequencies (N, K) each, K at least 2.

        Returns:
            bits of the symbols.
        """
        return float(self.bits_of_each(symbols, frequencies).sum())

    def bits_of_each(self, symbols: NDArray[Any], frequencies: Frequencies) -> Frequencies:
        """See `encode_each`; return the bits of each symbol (N,)."""
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
        """Encode symbols (N,) that share one row of frequencies (K,); return their bits."""
        if len(symbols) == 0:
            return 0.0
        symbols = np.ascontiguousarray(symbols, np.int32)
        self._coder.encode(symbols, _shared_model(frequencies))
        return float(symbol_bits(frequencies[symbols], frequencies.sum(), len(frequencies)).sum())

    def finish(self) -> bytes:
        """Return everything encoded so far, as bytes that do not end in zero.

        The coder identifies its final interval by one of the interval's lowest points, in whole words. Every point of
        the interval decodes to the same symbols, so the point with the most trailing zero bytes is stored without these
        bytes.
        """
        words = self._coder.get_compressed().astype(">u4").tobytes()
        _, (lower, size) = self._coder.pos()
        point = int.from_bytes(words, "big")
        above_lower = ((point << WORD_BITS) - lower) % (1 << 2 * WORD_BITS)
        if above_lower < 1 << WORD_BITS:  # else the interval is so small that one more word was needed
            for zero_bits in (32, 24, 16, 8):
                rounded = -(-point >> zero_bits) << zero_bits
                if (rounded - point) << WORD_BITS < size - above_lower:
                    point = rounded
                    break
        return point.to_bytes(len(words), "big").rstrip(b"\0")


class RangeDecoder:
    """Decodes the output of `RangeEncoder`; arbitrary bytes give symbols or `BitstreamError`."""

    def __init__(self, data: bytes) -> None:
        padded = data + b"\0" * (-len(data) % 4)
        self._coder = _STREAM.queue.RangeDecoder(np.frombuffer(padded, ">u4").astype(np.uint32))

    def clone(self) -> RangeDecoder:
        """Return a decoder that continues from the present state."""
        other = RangeDecoder(b"")
        other._coder = self._coder.clone()
        return other

    def decode_each(self, frequencies: Frequencies) -> NDArray[np.int64]:
        """Decode one symbol for each row of frequencies (N, K); (N,)."""
        if len(frequencies) == 0:
            return np.zeros(0, np.int64)
        return self._decode(_FAMILY, frequencies)

    def decode_all(self, frequencies: Frequencies, count: int) -> NDArray[np.int64]:
        """Decode `count` symbols that share one row of frequencies (K,)."""
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
    """Bits of symbols with frequencies `chosen` out of `totals`, with the coder's floor of 2^-24 for each symbol."""
    share = (chosen * ((2**PRECISION_BITS - codes) / totals) + 1) / 2**PRECISION_BITS
    return -np.log2(share)


@dataclass(frozen=True)
class _Sums:
    """Sums that determine the intervals of N symbols.

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
    """Sum all frequencies in one pass, exact in any order, then the block of each symbol."""
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
    """Convert the symbols to the first, middle or last of three symbols with the same intervals, for `encode`.

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
