from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hvqcgic.entropy import Masks, fit_map_coder
from hvqcgic.entropy.map_coding import AROUND, INPUTS, SKEW, MapCoder
from hvqcgic.entropy.range_coding import RangeDecoder, RangeEncoder
from hvqcgic.errors import BitstreamError, ModelError

GOLDEN = "6f644d04075028a42a38bef677b0c310da36fa"


def integer_arrays(seed: int = 0) -> dict[str, NDArray[Any]]:
    """A map coder with weights from an integer formula, so that they are the same everywhere."""
    arrays = fit_map_coder([])
    for shift, plane in enumerate(("coarse", "medium")):
        cells = np.arange(INPUTS * 5).reshape(INPUTS, 5)
        arrays[f"map.{plane}.hidden"] = ((cells * 7919 + seed + shift) % 1201 - 600).astype(np.int16)
        arrays[f"map.{plane}.output"] = np.array([900, -800, 700, -600, 500, 1234 + shift], np.int32)
    return arrays


def make_map(seed: int, h16: int, w16: int, shares: tuple[float, float], *, smooth: bool = False) -> Masks:
    """A random map; a smooth one has cells in connected areas, as pictures have."""
    rng = np.random.default_rng(seed)
    density = rng.random((2 * h16, 2 * w16))
    if smooth:
        rows, columns = np.mgrid[: 2 * h16, : 2 * w16] / 8
        density = density * 0.2 + np.sin(rows + seed) * np.cos(columns * 1.3 + seed)
    mean = density.reshape(h16, 2, w16, 2).mean((1, 3))
    coarse = np.zeros(h16 * w16, np.bool_)
    coarse[np.argsort(mean.ravel())[: round(shares[0] * h16 * w16)]] = True
    coarse = coarse.reshape(h16, w16)
    density[coarse.repeat(2, 0).repeat(2, 1)] = np.inf
    medium = np.zeros(density.size, np.bool_)
    medium[np.argsort(density.ravel())[: round(shares[1] * np.isfinite(density).sum())]] = True
    return Masks.from_coarser(coarse, medium.reshape(density.shape))


def code(coder: MapCoder, masks: Masks) -> tuple[bytes, float]:
    encoder = RangeEncoder()
    bits = coder.encode(encoder, masks)
    return encoder.finish(), bits


def decode(coder: MapCoder, data: bytes, masks: Masks) -> Masks:
    h16, w16 = masks.coarse.shape
    return coder.decode(RangeDecoder(data), h16, w16, masks.count("coarse"), masks.count("medium"))


@settings(max_examples=60)
@given(st.integers(0, 999), st.integers(1, 9), st.integers(1, 9), st.floats(0, 1), st.floats(0, 1))
def test_round_trip(seed: int, h16: int, w16: int, coarse: float, medium: float) -> None:
    coder, masks = MapCoder(integer_arrays(seed)), make_map(seed, h16, w16, (coarse, medium))
    data, bits = code(coder, masks)
    found = decode(coder, data, masks)
    for granularity in ("coarse", "medium", "fine"):
        np.testing.assert_array_equal(found[granularity], masks[granularity])
    assert abs(bits - 8 * len(data)) < 32


def test_golden_bytes() -> None:
    rows, columns = np.ogrid[:10, :12]
    coarse = (rows * 3 + columns * 7)[:5, :6] % 5 == 0
    medium = ((rows * 5 + columns * columns) % 7 < 3) & ~coarse.repeat(2, 0).repeat(2, 1)
    data, _ = code(MapCoder(integer_arrays()), Masks.from_coarser(coarse, medium))
    assert data.hex() == GOLDEN


@pytest.mark.parametrize("shares", [(0, 0), (0, 1), (1, 0)])
def test_nothing_is_sent_without_a_choice(shares: tuple[float, float]) -> None:
    masks = make_map(0, 4, 5, shares)
    assert code(MapCoder(integer_arrays()), masks) == (b"", 0)
    np.testing.assert_array_equal(decode(MapCoder(integer_arrays()), b"", masks).medium, masks.medium)


def test_surroundings_lie_in_earlier_waves_or_later_in_the_plane() -> None:
    causal = [(i, j) for i, j in AROUND if j + SKEW * i < 0]
    assert {(0, -1), (-1, 0), (-1, -1), (-1, 1)} <= set(causal)
    assert all((i, j) > (0, 0) for i, j in AROUND if (i, j) not in causal)


def test_fitting_learns_connected_areas() -> None:
    shares = ((0.2, 0.5), (0.3, 0.3), (0.1, 0.7))
    arrays = fit_map_coder((make_map(i, 12, 14, s, smooth=True) for i in range(12) for s in shares), steps=150)
    fitted, blind = MapCoder(arrays), MapCoder(fit_map_coder([]))
    masks = make_map(99, 12, 14, (0.2, 0.5), smooth=True)
    data, bits = code(fitted, masks)
    assert bits < 0.6 * code(blind, masks)[1]
    np.testing.assert_array_equal(decode(fitted, data, masks).fine, masks.fine)


def test_every_truncation_decodes_or_is_refused() -> None:
    coder, masks = MapCoder(integer_arrays()), make_map(1, 6, 6, (0.3, 0.5))
    data, _ = code(coder, masks)
    for length in range(len(data)):
        try:
            found = decode(coder, data[:length], masks)
        except BitstreamError:
            continue
        assert found.count("coarse") == masks.count("coarse")
        assert found.count("medium") == masks.count("medium")


def test_other_counts_than_the_headers_are_refused() -> None:
    # Untrained a cell costs one bit: two waves of one cell not taken, then two taken cells where one is left.
    blind = MapCoder(fit_map_coder([]))
    with pytest.raises(BitstreamError, match="other counts than the header"):
        blind.decode(RangeDecoder(b"\x3c"), 8, 8, 1, 0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("map.probabilities", np.zeros(353, np.int32), r"map\.probabilities"),
        ("map.coarse.hidden", np.zeros((3, 5), np.int16), r"map\.coarse: weights of shapes \(3, 5\) and \(6,\)"),
        ("map.medium.output", np.full(6, 2**45), r"map\.medium: sums may reach 2\^\d\d"),
    ],
)
def test_damaged_arrays_are_refused(name: str, value: NDArray, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        MapCoder(integer_arrays() | {name: value})
