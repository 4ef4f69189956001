import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.models.granularity import (
    GranularityMap,
    Ratios,
    counts_from_ratios,
    granularity_map,
    grey_histograms,
    luma,
    pad_to_cells,
    patch_entropies,
    repeat,
    smoothed_entropy,
)
from hvqcgic.models.ratios import check_ratios
from tests.models.small import CORNERS, MIXED, noise

SIGMA = 0.065


@st.composite
def simplex(draw: st.DrawFn) -> Ratios:
    low, high = sorted((draw(st.floats(0, 1)), draw(st.floats(0, 1))))
    return low, high - low, 1 - high


def cell_counts(masks: GranularityMap) -> dict[str, int]:
    return {g: int(masks[g].sum()) for g in GRANULARITIES}


def assert_disjoint_and_covering(masks: GranularityMap) -> None:
    cover = repeat(masks.coarse, 4).int() + repeat(masks.medium, 2).int() + masks.fine.int()
    assert torch.equal(cover, torch.ones_like(cover))


@settings(max_examples=25)
@given(simplex() | st.sampled_from(CORNERS), st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
def test_maps_have_the_counts_of_their_ratios_and_cover_the_picture(
    ratios: Ratios, rows: int, columns: int, seed: int
) -> None:
    masks = granularity_map(noise(1, 3, 16 * rows, 16 * columns, seed=seed), [ratios], SIGMA)
    n_coarse, n_medium = counts_from_ratios(ratios, rows, columns)
    assert masks.coarse.shape == (1, 1, rows, columns)
    assert masks.medium.shape == (1, 1, 2 * rows, 2 * columns)
    assert masks.fine.shape == (1, 1, 4 * rows, 4 * columns)
    n_fine = 16 * (rows * columns - n_coarse) - 4 * n_medium
    assert cell_counts(masks) == {"coarse": n_coarse, "medium": n_medium, "fine": n_fine}
    assert_disjoint_and_covering(masks)


@given(simplex() | st.sampled_from(CORNERS), st.integers(1, 200), st.integers(1, 200))
def test_counts_are_rounded_shares(ratios: Ratios, rows: int, columns: int) -> None:
    fine, medium, coarse = ratios
    cells = rows * columns
    n_coarse, n_medium = counts_from_ratios(ratios, rows, columns)
    left = 4 * (cells - n_coarse)
    assert 0 <= n_coarse <= cells
    assert 0 <= n_medium <= left
    if fine > 0 or medium > 0:
        assert abs(n_coarse - coarse * cells) <= 0.5 + 1e-9
    if fine > 0 and n_medium < left:
        assert abs(n_medium - medium * 4 * cells) <= 0.5 + 1e-9
    for share, count in ((fine, left - n_medium), (medium, n_medium), (coarse, n_coarse)):
        assert share > 0 or count == 0 or fine == 0


@pytest.mark.parametrize(("ratios", "only"), [*zip(CORNERS, ("fine", "medium", "coarse"), strict=True)])
def test_a_corner_of_the_simplex_is_one_granularity(ratios: Ratios, only: str) -> None:
    masks = granularity_map(noise(1, 3, 48, 80), [ratios], SIGMA)
    assert {g for g, count in cell_counts(masks).items() if count} == {only}


def test_patch_entropy_is_the_published_formula() -> None:
    grey = luma(noise(1, 3, 16, 32)).double()
    spacing = 2 / 31
    bins = torch.arange(-9, 41) * spacing - 1
    for column in range(2):
        values = ((grey[0, :, 16 * column : 16 * column + 16] + 1) * 127.5).round() / 127.5 - 1
        kernel = torch.exp(-0.5 * ((values.flatten()[:, None] - bins) / SIGMA) ** 2)
        density = (kernel / kernel.sum(1, keepdim=True)).mean(0)
        entropy = -(density * density.clamp(min=1e-300).log()).sum()
        assert smoothed_entropy(grey_histograms(grey, 16), 16, SIGMA)[0, 0, column] == pytest.approx(
            float(entropy), abs=1e-6
        )


def test_both_patch_sizes_share_one_histogram() -> None:
    picture = noise(2, 3, 48, 80).clamp(0, 1)
    found = patch_entropies(picture, SIGMA)
    for patch, own in ((16, found.of_16), (8, found.of_8)):
        assert torch.equal(own, smoothed_entropy(grey_histograms(luma(picture), patch), patch, SIGMA))


def test_flat_patches_are_equally_dense_at_every_grey_level_and_never_denser_than_others() -> None:
    levels = torch.arange(256) / 127.5 - 1
    flat = smoothed_entropy(grey_histograms(levels[:, None, None].expand(-1, 8, 8), 8), 8, SIGMA).flatten()
    assert float(flat.max() - flat.min()) < 1e-6
    step = torch.zeros(8, 8)
    step[:, ::2] = 4 / 127.5
    textured = smoothed_entropy(grey_histograms((levels[:-4, None, None] + step), 8), 8, SIGMA).flatten()
    assert float(textured.min()) > float(flat.max()) + 1e-3


def test_flat_parts_become_coarse_first_whatever_their_grey_level() -> None:
    texture = noise(1, 1, 64, 64) * 0.1
    picture = texture.expand(1, 3, 64, 64).clone()
    flat = torch.zeros(4, 4, dtype=torch.bool)
    for place, grey in zip(((0, 3), (1, 1), (3, 0), (2, 2)), (0.0, 0.3, 0.7, 1.0), strict=True):
        row, column = 16 * place[0], 16 * place[1]
        picture[..., row : row + 16, column : column + 16] = grey
        flat[place] = True
    masks = granularity_map(picture, [(0.5, 0.25, 0.25)], SIGMA)
    assert torch.equal(masks.coarse[0, 0], flat)


def test_ties_fall_by_position() -> None:
    masks = granularity_map(torch.full((1, 3, 32, 48), 0.4), [(0.25, 0.25, 0.5)], SIGMA)
    assert masks.coarse.flatten().tolist() == [True] * 3 + [False] * 3
    assert masks.medium[0, 0, 2:].flatten().tolist() == [True] * 6 + [False] * 6


def test_a_map_is_a_function_of_its_own_picture_and_ratios_alone() -> None:
    pictures = noise(3, 3, 48, 64)
    ratios: list[Ratios] = [MIXED, (0.0, 0.5, 0.5), (1.0, 0.0, 0.0)]
    together = granularity_map(pictures, ratios, SIGMA)
    for item in range(3):
        alone = granularity_map(pictures[item : item + 1], ratios[item : item + 1], SIGMA)
        for g in GRANULARITIES:
            assert torch.equal(alone[g][0], together[g][item])


@pytest.mark.parametrize(
    ("ratios", "message"),
    [
        ((0.5, 0.5, 0.5), "sum to 1.5"),
        ((-0.1, 0.6, 0.5), r"-0\.1"),
        ((math.nan, 0.5, 0.5), "nan"),
        ((math.inf, 0.0, 0.0), "inf"),
        ((0.5, 0.5), "2 numbers"),
    ],
)
def test_what_are_no_shares_is_refused_with_the_values(ratios: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_ratios(ratios)


def test_shares_are_taken_as_they_are() -> None:
    assert check_ratios((0.5, 0.4, 0.1)) == (0.5, 0.4, 0.1)
    assert check_ratios((1, 0, 0)) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (16, 32), (17, 31), (33, 5)])
def test_padding_repeats_the_edge(height: int, width: int) -> None:
    picture = noise(1, 3, height, width)
    padded = pad_to_cells(picture)
    rows = torch.arange(-(-height // 16) * 16).clamp(max=height - 1)
    columns = torch.arange(-(-width // 16) * 16).clamp(max=width - 1)
    assert torch.equal(padded, picture[:, :, rows][..., columns])
