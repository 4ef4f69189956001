"""Granularity maps and heat maps as pictures."""

import numpy as np
import pytest
import torch
from torch import Tensor

from hvqcgic.pictures.drawing import granularity_overlay, heat_map
from tests.small_map import BITS, MASKS


def inner(image: Tensor, row: int, column: int) -> tuple[float, ...]:
    return tuple(round(value, 3) for value in image[:, row, column].tolist())


def test_every_cell_has_the_colour_of_its_granularity_and_a_border() -> None:
    image = granularity_overlay(MASKS)
    assert image.shape == (3, 16, 32)
    coarse, medium, fine = inner(image, 5, 5), inner(image, 2, 18), inner(image, 10, 26)
    assert len({coarse, medium, fine}) == 3
    assert inner(image, 7, 9) == coarse
    assert inner(image, 13, 30) == fine
    assert sum(inner(image, 0, 5)) < sum(coarse)
    assert sum(inner(image, 8, 18)) < sum(medium)


def test_the_overlay_has_the_size_of_the_picture() -> None:
    picture = torch.rand(3, 11, 30, generator=torch.Generator().manual_seed(0))
    image = granularity_overlay(MASKS, picture)
    assert image.shape == picture.shape
    assert not torch.equal(image, granularity_overlay(MASKS)[:, :11, :30])


def test_the_heat_map_reads_each_cell_where_its_mask_is_and_grows_lighter_with_bits() -> None:
    image = heat_map(MASKS, BITS, top_bits=10.0)
    assert image.shape == (3, 16, 32)
    coarse, medium, fine = (sum(inner(image, *place)) for place in ((5, 5), (2, 18), (10, 26)))
    assert coarse > medium > fine
    assert inner(heat_map(MASKS, BITS, top_bits=5.0), 5, 5) == inner(image, 5, 5)


@pytest.mark.parametrize("share", np.linspace(0, 1, 9))
def test_the_colour_scale_is_monotonous_in_lightness(share: float) -> None:
    bits = {g: torch.full(mask.shape, 10 * share) for g, mask in MASKS.items()}
    more = {g: torch.full(mask.shape, 10 * share + 0.5) for g, mask in MASKS.items()}
    weights = torch.tensor([0.2126, 0.7152, 0.0722])
    lower, higher = (weights @ heat_map(MASKS, b, top_bits=10.5)[:, 0, 0] for b in (bits, more))
    assert lower < higher
