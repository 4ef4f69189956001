import contextlib
from typing import Any

import constriction
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvqcgic.entropy.range_coding import LONG_ROW, BitCounter, BitRecorder, RangeDecoder, RangeEncoder, symbol_bits
from hvqcgic.errors import BitstreamError

STORED_FREQUENCIES = np.array([[1, 2**24, 7, 1], [5, 5, 5, 5], [2**24, 1, 1, 1], [3, 1000, 2**20, 12345]], float)
STORED_SYMBOLS = [1, 3, 3, 0]
GOLDEN_EACH = "fffff57ffe46"
GOLDEN_ALL = "003de5dd5b49d9922fd91906eb5a1bb2d53596cf2b6ba9d6c9bf"


def reference_interval(symbols: list[int], frequencies: np.ndarray) -> tuple[int, int, int]:
    """The coder's final interval in Python's integers, by the module's docstring: (lower, size, words shifted out)."""
    lower, size, shifted = 0, 2**64 - 1, 0
    for symbol, row in zip(symbols, frequencies, strict=True):
        counts = [int(f) for f in row]
        scale = (2**24 - len(counts)) / sum(counts)
        left = int(sum(counts[:symbol]) * scale) + symbol
        right = 2**24 if symbol == len(counts) - 1 else int(sum(counts[: symbol + 1]) * scale) + symbol + 1
        lower, size = lower + (size >> 24) * left, (size >> 24) * (right - left)
        if size < 2**32:
            lower, size, shifted = lower << 32, size << 32, shifted + 1
    return lower, size, shifted


def coded(symbols: list[int], frequencies: np.ndarray) -> bytes:
    encoder = RangeEncoder()
    encoder.encode_each(np.array(symbols), frequencies)
    return encoder.finish()


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(2, 40), st.integers(0, 24))
def test_round_trip_and_intervals_as_documented(seed: int, n: int, k: int, spread: int) -> None:
    rng = np.random.default_rng(seed)
    frequencies = np.floor(2.0 ** (rng.random((n, k)) * spread))
    symbols = rng.integers(0, k, n).tolist()
    data = coded(symbols, frequencies)
    assert RangeDecoder(data).decode_each(frequencies).tolist() == symbols
    lower, size, shifted = reference_interval(symbols, frequencies)
    width = 8 + 4 * shifted
    point = int.from_bytes(data.ljust(width, b"\0")[:width], "big")
    assert lower <= point < lower + size
    assert len(data) <= width
    assert not data.endswith(b"\0")


def test_golden_bytes() -> None:
    assert coded(STORED_SYMBOLS, STORED_FREQUENCIES).hex() == GOLDEN_EACH
    encoder = RangeEncoder()
    encoder.encode_all(np.array(STORED_SYMBOLS * 5), STORED_FREQUENCIES[3])
    assert encoder.finish().hex() == GOLDEN_ALL


def test_float32_frequencies_would_give_other_intervals() -> None:
    # Why frequencies are float64: cumulative sums beyond 2^24 are not exact in float32, so other symbols are decoded.
    rng = np.random.default_rng(1)
    frequencies = rng.integers(1, 2**24, (64, 1000)).astype(np.float64)
    symbols = rng.integers(0, 1000, 64).tolist()
    data = coded(symbols, frequencies)
    assert RangeDecoder(data).decode_each(frequencies).tolist() == symbols
    with contextlib.suppress(BitstreamError):
        inexact: Any = frequencies.astype(np.float32)
        assert RangeDecoder(data).decode_each(inexact).tolist() != symbols


@pytest.mark.parametrize("spread", [0, 12, 24, 30])
@pytest.mark.parametrize("k", [LONG_ROW, LONG_ROW + 1, LONG_ROW + 63, LONG_ROW + 64, 16383, 16384])
def test_intervals_are_those_of_the_whole_rows(k: int, spread: int) -> None:
    rng = np.random.default_rng(k)
    frequencies = np.floor(2.0 ** (rng.random((24, k)) * spread))
    frequencies[:8] = 1
    frequencies[np.arange(8), rng.integers(0, k, 8)] = 2**24
    symbols = rng.integers(0, k, 24)
    symbols[:7] = 0, k - 1, 0, k - 1, k // 2, k // 2 - 1, 1
    symbols[7:12] = frequencies[7:12].argmax(1)
    encoder, whole = RangeEncoder(), RangeEncoder()
    encoder.encode_each(symbols, frequencies)
    model = constriction.stream.model.Categorical(lazy=True, perfect=False)  # pyright: ignore
    whole._coder.encode(symbols.astype(np.int32), model, frequencies)
    data = encoder.finish()
    assert data == whole.finish()
    assert RangeDecoder(data).decode_each(frequencies).tolist() == symbols.tolist()


def test_no_symbols_take_no_bytes() -> None:
    encoder = RangeEncoder()
    assert encoder.encode_each(np.zeros(0, np.int64), np.zeros((0, 4))) == 0
    assert encoder.encode_all(np.zeros(0, np.int64), np.ones(4)) == 0
    assert encoder.finish() == b""
    assert RangeDecoder(b"").decode_each(np.zeros((0, 4))).tolist() == []
    assert RangeDecoder(b"").decode_all(np.ones(4), 0).tolist() == []


@given(st.integers(0, 2**32), st.integers(0, 20))
def test_shared_and_separate_rows_are_one_code(seed: int, spread: int) -> None:
    rng = np.random.default_rng(seed)
    row = np.floor(2.0 ** (rng.random(17) * spread))
    symbols = rng.integers(0, 17, 30)
    encoder = RangeEncoder()
    bits = encoder.encode_all(symbols, row)
    data = encoder.finish()
    assert data == coded(symbols.tolist(), np.tile(row, (30, 1)))
    assert RangeDecoder(data).decode_each(np.tile(row, (30, 1))).tolist() == symbols.tolist()
    assert -16 < 8 * len(data) - bits < 12  # fewer where the last bytes happen to be zero


def test_estimate_is_what_the_bytes_take() -> None:
    rng = np.random.default_rng(2)
    frequencies = np.floor(2.0 ** (24 * rng.random((5000, 300))))
    symbols = np.array([rng.choice(300, p=row / row.sum()) for row in frequencies])
    encoder = RangeEncoder()
    bits = encoder.encode_each(symbols, frequencies)
    assert -16 < 8 * len(encoder.finish()) - bits < 0.001 * bits + 12


def test_symbol_bits_has_the_coders_floor() -> None:
    bits = symbol_bits(np.array([0.0]), np.array([2.0**40]), 1000)
    assert bits.tolist() == [24.0]


@pytest.mark.parametrize("k", [2, 16384])
def test_many_codes(k: int) -> None:
    frequencies = np.ones((3, k))
    frequencies[:, k // 2] = 2**24
    assert RangeDecoder(coded([0, k // 2, k - 1], frequencies)).decode_each(frequencies).tolist() == [0, k // 2, k - 1]


@given(st.binary(max_size=64), st.integers(0, 2**32))
def test_any_bytes_decode_or_are_refused(data: bytes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    decoder = RangeDecoder(data)
    with contextlib.suppress(BitstreamError):
        for k in (2, 5, 1000):
            symbols = decoder.decode_each(np.floor(2.0 ** (24 * rng.random((40, k)))))
            assert symbols.min() >= 0
            assert symbols.max() < k


def test_impossible_bytes_are_a_bitstream_error() -> None:
    with pytest.raises(BitstreamError, match="damaged"):
        RangeDecoder(b"\xff" * 16).decode_all(np.array([1.0, 1.0, 1.0]), 100)


@pytest.mark.parametrize("k", [5, LONG_ROW + 5])
def test_bits_of_each_symbol(k: int) -> None:
    rng = np.random.default_rng(3)
    frequencies, symbols = np.floor(2.0 ** (24 * rng.random((20, k)))), rng.integers(0, k, 20)
    encoder, whole = RangeEncoder(), RangeEncoder()
    bits = encoder.bits_of_each(symbols, frequencies)
    assert np.array_equal(bits, BitCounter().bits_of_each(symbols, frequencies))
    assert whole.encode_each(symbols, frequencies) == bits.sum() == BitCounter().encode_each(symbols, frequencies)
    assert encoder.finish() == whole.finish()


def test_a_recorder_keeps_the_bits_that_a_counter_counts() -> None:
    rows = np.array([[1.0, 3.0, 12.0], [5.0, 5.0, 6.0]])
    recorder, counter = BitRecorder(), BitCounter()
    each = recorder.encode_each(np.array([2, 0]), rows)
    every = recorder.encode_all(np.array([1, 1, 2]), rows[0])
    assert each == counter.encode_each(np.array([2, 0]), rows)
    assert every == pytest.approx(counter.encode_all(np.array([1, 1, 2]), rows[0]), rel=1e-12)
    told = recorder.finish()
    assert np.exp2(-told) == pytest.approx([12 / 16, 5 / 16, 3 / 16, 3 / 16, 12 / 16], rel=1e-5)
    assert recorder.encode_all(np.zeros(0, np.int64), rows[0]) == 0
    assert len(recorder.finish()) == 0
