import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.entropy.masks import Masks, any_in_blocks, regrid


def random_masks(seed: int, h16: int, w16: int) -> Masks:
    rng = np.random.default_rng(seed)
    coarse = rng.random((h16, w16)) < 0.3
    medium = (rng.random((2 * h16, 2 * w16)) < 0.5) & ~regrid(coarse, "coarse", "medium")
    return Masks.from_coarser(coarse, medium)


@given(st.integers(0, 99), st.integers(1, 5), st.integers(1, 5))
def test_from_coarser_covers_once_and_counts(seed: int, h16: int, w16: int) -> None:
    masks = random_masks(seed, h16, w16)
    assert 16 * masks.count("coarse") + 4 * masks.count("medium") + masks.count("fine") == 16 * h16 * w16


def test_overlap_and_gap_are_refused() -> None:
    masks = random_masks(0, 2, 2)
    with pytest.raises(ValueError, match="exactly once"):
        Masks(masks.coarse, masks.medium, ~masks.fine)
    with pytest.raises(ValueError, match="exactly once"):
        Masks(np.ones_like(masks.coarse), np.ones_like(masks.medium), np.zeros_like(masks.fine))


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    masks = random_masks(0, 2, 3)
    with pytest.raises(ValueError, match=r"medium mask is bool \(3, 6\), expected bool \(4, 6\)"):
        Masks(masks.coarse, masks.medium[:3], masks.fine)


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_on_grid_agrees_with_counting_fine_cells(granularity: str) -> None:
    masks = random_masks(3, 4, 5)
    side = {"coarse": 4, "medium": 2, "fine": 1}[granularity]
    for own, found in zip(GRANULARITIES, masks.on_grid(granularity), strict=True):
        covered = regrid(masks[own], own, "fine")
        h, w = covered.shape
        expected = covered.reshape(h // side, side, w // side, side).sum((1, 3)) > 0
        np.testing.assert_array_equal(found, expected)


def test_any_in_blocks_with_cut_blocks() -> None:
    mask = np.zeros((5, 6), np.bool_)
    mask[4, 5] = mask[0, 3] = True
    np.testing.assert_array_equal(any_in_blocks(mask, 4), [[True, False], [False, True]])
