import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvqcgic.entropy.huffman import LONGEST, WINDOW_BITS, HuffmanCode, code_lengths
from hvqcgic.errors import BitstreamError


def optimal_cost(counts: list[int]) -> int:
    """Bits of the best prefix code, by merging the two least of a sorted list over and over."""
    left, cost = sorted(max(c, 1) for c in counts), 0
    while len(left) > 1:
        merged = left.pop(0) + left.pop(0)
        cost += merged
        left = sorted([*left, merged])
    return cost


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=60))
def test_lengths_are_optimal_and_complete(counts: list[int]) -> None:
    lengths = code_lengths(np.array(counts))
    assert int(lengths @ np.maximum(counts, 1)) == optimal_cost(counts)
    assert sum(2.0 ** -lengths.astype(float)) == 1


@given(st.integers(0, 2**32), st.integers(2, 300), st.integers(0, 200), st.integers(0, 30))
def test_round_trip(seed: int, k: int, n: int, spread: int) -> None:
    rng = np.random.default_rng(seed)
    code = HuffmanCode(np.floor(2.0 ** (rng.random(k) * spread)).astype(np.int64))
    symbols = rng.integers(0, k, n)
    bits = code.encode(symbols)
    assert len(bits) == code.lengths[symbols].sum()
    padded = np.append(bits, rng.integers(0, 2, 9)).astype(np.uint8)
    decoded, used = code.decode(padded, n)
    np.testing.assert_array_equal(decoded, symbols)
    assert used == len(bits)


def test_canonical_words() -> None:
    code = HuffmanCode(np.array([1, 8, 2, 4, 1]))
    words = ["".join(map(str, code.encode(np.array([symbol])))) for symbol in range(5)]
    assert words == ["1110", "0", "110", "10", "1111"]


def test_uneven_counts_keep_words_within_32_bits() -> None:
    fibonacci = [1, 1]
    while len(fibonacci) < 60:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    code = HuffmanCode(np.array(fibonacci))
    assert code.lengths.max() <= LONGEST
    assert sum(2.0 ** -code.lengths.astype(float)) == 1
    symbols = np.arange(60)
    np.testing.assert_array_equal(code.decode(code.encode(symbols), 60)[0], symbols)


def test_many_symbols_cross_windows_and_take_no_loop_over_bits() -> None:
    rng = np.random.default_rng(0)
    code = HuffmanCode(rng.integers(1, 1000, 1024))
    symbols = rng.integers(0, 1024, 400_000)
    bits = code.encode(symbols)
    assert len(bits) > 3 * WINDOW_BITS
    start = time.process_time()
    np.testing.assert_array_equal(code.decode(bits, len(symbols))[0], symbols)
    assert time.process_time() - start < 10  # a loop over bits takes a minute


@given(st.integers(0, 2**32), st.integers(0, 60))
def test_bits_that_end_early_are_refused(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    code = HuffmanCode(rng.integers(1, 50, 20))
    bits = code.encode(rng.integers(0, 20, 30))
    with pytest.raises(BitstreamError, match="end"):
        code.decode(bits[: max(len(bits) - 1 - cut, 0)], 30)
