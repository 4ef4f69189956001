"""Cells by the fall of distortion: ends, counts, ties, and where the fine ones go."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.codec.codec import Codec
from hvqcgic.models.granularity import counts_from_ratios
from hvqcgic.rate_control.cell_distortions import cell_density, cell_distortions
from hvqcgic.rate_control.ratio_path import ratios
from hvqcgic.rate_control.rd_order import RdOrder
from tests.random_model import random_picture

Pixels = NDArray[np.uint8]

LARGEST_STEP = 15
"""Indices that a 16 px square can win at once."""


def n_indices(order: RdOrder, place: float) -> int:
    masks = order.masks(ratios(place))
    return sum(masks.count(g) for g in GRANULARITIES)


@pytest.mark.parametrize("pixels", [random_picture(90, 70, seed=3), np.full((256, 256, 3), 120, np.uint8)])
def test_there_are_as_many_indices_as_asked_for(codec: Codec, pixels: Pixels) -> None:
    picture = codec.analyse(pixels)
    rows, columns = picture.grid
    order = RdOrder(cell_distortions(codec, picture))
    found = [n_indices(order, place) for place in np.linspace(0, 1, 21)]
    for place, n_found in zip(np.linspace(0, 1, 21), found, strict=True):
        coarse, medium = counts_from_ratios(ratios(float(place)), rows, columns)
        wanted = 16 * rows * columns - 15 * coarse - 3 * medium
        assert wanted - LARGEST_STEP < n_found <= wanted
    assert (found[0], found[-1]) == (rows * columns, 16 * rows * columns)


def test_maps_grow_along_the_path(codec: Codec) -> None:
    order = RdOrder(cell_distortions(codec, codec.analyse(random_picture(90, 70, seed=3))))
    maps = [order.masks(ratios(float(place))) for place in np.linspace(0, 1, 11)]
    for coarser, finer in pairwise(maps):
        assert not np.any(coarser.fine & ~finer.fine)
        assert not np.any(finer.coarse & ~coarser.coarse)


def test_weights_draw_the_fine_cells(tiny: Codec, cat: Pixels) -> None:
    picture = tiny.analyse(cat[:92, :90])
    weights = np.ones((92, 90), np.float32)
    weights[:, :32] = 50
    plain, drawn = (RdOrder(cell_distortions(tiny, picture, each)).masks(ratios(0.4)).fine for each in (None, weights))
    assert drawn[:, :8].mean() > plain[:, :8].mean() + 0.1
    neutral = RdOrder(cell_distortions(tiny, picture, np.ones((92, 90), np.float32))).masks(ratios(0.4))
    assert np.array_equal(neutral.fine, plain)


def test_the_busy_half_has_the_fine_cells(tiny: Codec, cat: Pixels) -> None:
    pixels = cat[:96, :128].copy()
    pixels[:, 64:] = pixels[:, 64:].mean((0, 1))
    masks = RdOrder(cell_distortions(tiny, tiny.analyse(pixels))).masks(ratios(0.4))
    # Cells at the border see the other half.
    assert masks.fine[:, :18].sum() > 0.95 * masks.fine.sum() > 0


def test_one_split_more_wins_less_than_one_split_less_loses(tiny: Codec, cat: Pixels) -> None:
    """What the distortions of cells say of the map is the least, of all maps with as many indices that were tried."""
    pixels = cat[:48, :64]
    picture = tiny.analyse(pixels)
    planes = cell_distortions(tiny, picture)

    def total(coarse: NDArray[np.bool_], fine: NDArray[np.bool_]) -> float:
        wide = coarse.repeat(2, 0).repeat(2, 1)
        return float(np.where(wide, planes["coarse"], np.where(fine, planes["fine"], planes["medium"])).sum())

    masks = RdOrder(cell_distortions(tiny, picture)).masks(ratios(0.5))
    own_fine = masks.fine[::2, ::2]
    own = total(masks.coarse, own_fine)
    generator = np.random.default_rng(0)
    n_tried = 0
    for _ in range(2000):
        coarse = generator.random(masks.coarse.shape) < generator.random()
        fine = ~coarse.repeat(2, 0).repeat(2, 1) & (generator.random(own_fine.shape) < generator.random())
        wide = coarse.repeat(2, 0).repeat(2, 1)
        if coarse.sum() + (~wide & ~fine).sum() + 4 * fine.sum() <= sum(masks.count(g) for g in GRANULARITIES):
            n_tried += 1
            assert total(coarse, fine) >= own
    assert n_tried > 100


def test_density_decides_where_splits_gain_nothing(tiny: Codec, cat: Pixels) -> None:
    planes = cell_distortions(tiny, tiny.analyse(cat[:96, :96]))
    even = {g: np.full_like(planes["fine"], planes["fine"].mean()) for g in GRANULARITIES}
    density = np.random.default_rng(0).random(planes["fine"].shape)
    fine = RdOrder({**even, "coarse": 2 * even["coarse"], "medium": 1.5 * even["medium"]}, density).masks(ratios(0.5))
    chosen = fine.fine[::2, ::2]
    assert 0 < chosen.sum() < chosen.size
    # Within squares of 16 px that are split, exactly the densest cells are fine.
    assert density[chosen].min() > density[~chosen & ~fine.coarse.repeat(2, 0).repeat(2, 1)].max()


@pytest.mark.parametrize("place", [0.4, 0.9])
def test_density_moves_cells_at_little_distortion(tiny: Codec, cat: Pixels, place: float) -> None:
    picture = tiny.analyse(cat[:192, :192])
    planes = cell_distortions(tiny, picture)

    def found(order: RdOrder) -> tuple[NDArray[np.bool_], float]:
        masks = order.masks(ratios(place))
        coarse, fine = masks.coarse.repeat(2, 0).repeat(2, 1), masks.fine[::2, ::2]
        chosen = np.where(coarse, planes["coarse"], np.where(fine, planes["fine"], planes["medium"]))
        return fine, float(chosen.sum())

    (both, more), (alone, least) = found(RdOrder(planes, cell_density(picture))), found(RdOrder(planes))
    assert not np.array_equal(both, alone)
    assert more < 1.05 * least


def test_a_picture_of_one_colour_has_a_map(tiny: Codec) -> None:
    picture = tiny.analyse(np.full((64, 64, 3), 90, np.uint8))
    order = RdOrder(cell_distortions(tiny, picture), cell_density(picture))
    assert n_indices(order, 1.0) == 256


def test_weights_multiply_density(tiny: Codec, cat: Pixels) -> None:
    picture = tiny.analyse(cat[:64, :64])
    assert np.allclose(cell_density(picture, np.full((64, 64), 3, np.float32)), 3 * cell_density(picture))
