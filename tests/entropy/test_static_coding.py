import zlib
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hvqcgic.entropy.range_coding import RangeDecoder, RangeEncoder
from hvqcgic.entropy.static_coding import StaticCoder
from hvqcgic.errors import BitstreamError, ModelError

PLAIN = ("huffman", "fixed", "zip")


def make(seed: int, codes: int, largest: int = 30) -> tuple[StaticCoder, dict[str, NDArray[np.int64]], dict[str, int]]:
    rng = np.random.default_rng(seed)
    coder = StaticCoder(rng.integers(0, 1000, (3, codes)))
    sizes = {g: int(rng.integers(0, largest)) for g in ("coarse", "medium", "fine")}
    return coder, {g: rng.integers(0, codes, n) for g, n in sizes.items()}, sizes


def check(found: Mapping[str, NDArray], expected: Mapping[str, NDArray]) -> None:
    assert list(found) == list(expected)
    for granularity in expected:
        np.testing.assert_array_equal(found[granularity], expected[granularity])


@given(st.integers(0, 2**32), st.integers(2, 300))
def test_plain_round_trips(seed: int, codes: int) -> None:
    coder, indices, sizes = make(seed, codes)
    for name in PLAIN:
        coded = getattr(coder, f"encode_{name}")(indices)
        check(getattr(coder, f"decode_{name}")(coded.data, sizes), indices)
        if name != "zip":
            assert len(coded.data) == -(-sum(coded.bits.values()) // 8)


@given(st.integers(0, 2**32), st.integers(2, 300))
def test_arithmetic_round_trip_and_estimate(seed: int, codes: int) -> None:
    coder, indices, sizes = make(seed, codes)
    encoder = RangeEncoder()
    bits = coder.encode_arithmetic(encoder, indices)
    data = encoder.finish()
    check(coder.decode_arithmetic(RangeDecoder(data), sizes), indices)
    assert abs(sum(bits.values()) - 8 * len(data)) < 64


def test_arithmetic_follows_the_counts_and_huffman_is_close() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 10_000, (3, 500))
    shares = counts / counts.sum(1, keepdims=True)
    indices = {g: rng.choice(500, 4000, p=shares[i]) for i, g in enumerate(("coarse", "medium", "fine"))}
    coder = StaticCoder(counts)
    arithmetic = coder.encode_arithmetic(RangeEncoder(), indices)
    huffman = coder.encode_huffman(indices).bits
    for i, granularity in enumerate(indices):
        ideal = -np.log2(shares[i][indices[granularity]]).sum()
        assert abs(arithmetic[granularity] / ideal - 1) < 0.001
        assert ideal < huffman[granularity] < ideal * 1.02


def test_codes_beyond_16_bits_are_zipped_whole() -> None:
    coder = StaticCoder(np.ones((3, 70_000), np.int64))
    indices = {"coarse": np.array([69_999]), "medium": np.array([0]), "fine": np.array([65_536])}
    check(coder.decode_zip(coder.encode_zip(indices).data, dict.fromkeys(indices, 1)), indices)


@pytest.mark.parametrize("name", PLAIN)
@given(data=st.binary(max_size=80), seed=st.integers(0, 50))
def test_any_bytes_decode_or_are_refused(name: str, data: bytes, seed: int) -> None:
    coder, _, sizes = make(seed, 13)
    try:
        found = getattr(coder, f"decode_{name}")(data, sizes)
    except BitstreamError:
        return
    for granularity, size in sizes.items():
        assert found[granularity].shape == (size,)
        assert np.all((found[granularity] >= 0) & (found[granularity] < 13))


@pytest.mark.parametrize("name", PLAIN)
def test_every_truncation_and_extension_is_refused(name: str) -> None:
    coder, indices, sizes = make(1, 13)
    data = getattr(coder, f"encode_{name}")(indices).data
    for length in range(len(data)):
        with pytest.raises(BitstreamError):
            getattr(coder, f"decode_{name}")(data[:length], sizes)
    with pytest.raises(BitstreamError):
        getattr(coder, f"decode_{name}")(data + b"\0", sizes)


def test_a_zip_bomb_is_refused_without_unpacking_it() -> None:
    coder, _, sizes = make(2, 13)
    with pytest.raises(BitstreamError, match="do not hold"):
        coder.decode_zip(zlib.compress(bytes(50_000_000), 9), sizes)


def test_an_index_beyond_the_codebook_is_refused() -> None:
    larger, smaller = StaticCoder(np.ones((3, 16), np.int64)), StaticCoder(np.ones((3, 13), np.int64))
    indices = {"coarse": np.array([3]), "medium": np.array([15]), "fine": np.array([], np.int64)}
    sizes = {"coarse": 1, "medium": 1, "fine": 0}
    for name in ("fixed", "zip"):
        data = getattr(larger, f"encode_{name}")(indices).data
        with pytest.raises(BitstreamError, match="an index is 15 of 13 codes"):
            getattr(smaller, f"decode_{name}")(data, sizes)


@pytest.mark.parametrize("usage", [np.ones((2, 5), np.int64), np.full((3, 5), -1), np.full((3, 5), 2**41)])
def test_damaged_counts_are_refused(usage: NDArray) -> None:
    with pytest.raises(ModelError, match="usage counts"):
        StaticCoder(usage)
