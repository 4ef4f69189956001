import numpy as np
import pytest
from numpy.typing import NDArray

from hvqcgic.entropy.means_coding import MeansCoder, differences_of, fit_means_table
from hvqcgic.entropy.range_coding import RangeDecoder, RangeEncoder
from hvqcgic.errors import BitstreamError, ModelError

LIMIT = 12


def smooth(h: int, w: int, seed: int = 0) -> NDArray[np.int64]:
    """Latents like those of photographs: slow changes, and a step."""
    generator = np.random.default_rng(seed)
    walk = generator.normal(0, 0.7, (3, h, w)).cumsum(1).cumsum(2) / 4
    walk[:, :, w // 2 :] += 3
    return np.clip(np.round(walk), -LIMIT, LIMIT).astype(np.int64)


@pytest.fixture(scope="module")
def coder() -> MeansCoder:
    return MeansCoder(fit_means_table([smooth(16, 24, seed) for seed in range(20)], LIMIT))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (2, 2), (13, 17)])
def test_round_trip_at_every_shape(coder: MeansCoder, size: tuple[int, int]) -> None:
    latents, encoder = smooth(*size, seed=99), RangeEncoder()
    bits = coder.encode(encoder, latents)
    data = encoder.finish()
    np.testing.assert_array_equal(coder.decode(RangeDecoder(data), *size), latents)
    assert bits == pytest.approx(coder.bits(latents))
    assert 8 * len(data) == pytest.approx(bits, abs=80)


def test_extreme_latents_survive(coder: MeansCoder) -> None:
    latents = np.random.default_rng(0).choice([-LIMIT, LIMIT], (3, 9, 9))
    encoder = RangeEncoder()
    coder.encode(encoder, latents)
    np.testing.assert_array_equal(coder.decode(RangeDecoder(encoder.finish()), 9, 9), latents)


def test_the_context_saves_bits_over_one_table_for_all(coder: MeansCoder) -> None:
    latents = smooth(16, 24, seed=77)
    counts = np.bincount(latents.ravel() + LIMIT, minlength=2 * LIMIT + 1)
    share = counts[counts > 0] / counts.sum()
    assert coder.bits(latents) < 0.7 * -(counts[counts > 0] * np.log2(share)).sum()


def test_a_difference_depends_on_earlier_blocks_alone() -> None:
    latents = smooth(6, 8)
    changed = latents.copy()
    changed[:, 3, 4] += 1
    before, after = differences_of(latents), differences_of(changed)
    rows, columns = np.indices((6, 8))
    earlier = columns + 2 * rows < 4 + 2 * 3
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one[:, earlier], other[:, earlier])
    assert (after[0][:, 3, 4] == before[0][:, 3, 4] + 1).all()


@pytest.mark.parametrize("latents", [np.full((3, 2, 2), LIMIT + 1), np.zeros((2, 2, 2)), np.zeros((3, 2))])
def test_latents_that_do_not_fit_are_refused(coder: MeansCoder, latents: NDArray[np.int64]) -> None:
    with pytest.raises(ValueError, match=f"up to {LIMIT}"):
        coder.encode(RangeEncoder(), latents)


def test_a_stream_that_leads_out_of_range_is_damaged() -> None:
    even = MeansCoder(np.ones((3, 9, 4 * LIMIT + 1), np.int32))
    with pytest.raises(BitstreamError, match=f"beyond {LIMIT}"):
        even.decode(RangeDecoder(b"\xff\xff\xff\x7f" * 200), 20, 20)


def test_other_tables_are_refused() -> None:
    for table in (np.ones((3, 9, 8), np.int32), np.ones((3, 8, 9), np.int32), np.ones((3, 9), np.int32)):
        with pytest.raises(ModelError, match="shape"):
            MeansCoder(table)
    for table in (np.zeros((3, 9, 9), np.int32), np.ones((3, 9, 9)), np.full((3, 9, 9), 2**25)):
        with pytest.raises(ModelError, match="frequencies"):
            MeansCoder(table)
