"""The published selection: its counts, ties and rounding traps, and where ours differs."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.models.config import ControlGicConfig, ModelConfig
from hvqcgic.models.granularity import GranularityMap, Ratios, counts_from_ratios, grey_histograms, smoothed_entropy
from hvqcgic.models.published_selection import published_entropies, published_order, select
from hvqcgic.models.selection import select_cells
from tests.models.small import noise

ROWS, COLUMNS = 8, 10


def published_map(values: Tensor, ratios: list[Ratios]) -> GranularityMap:
    return published_order(published_entropies(values), ratios)


def counts(masks: GranularityMap) -> tuple[int, ...]:
    return tuple(int(masks[g].sum()) for g in GRANULARITIES)


def distinct(rows: int, columns: int, seed: int) -> Tensor:
    """Entropies without ties."""
    order = torch.randperm(rows * columns, generator=torch.Generator().manual_seed(seed))
    return (order.float() + 1).view(rows, columns) / (rows * columns)


def nested(rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Entropies of both sizes, where those of the small patches follow the order of the large ones."""
    of_16 = distinct(rows, columns, 1) * 100
    return of_16, of_16.repeat_interleave(2, 0).repeat_interleave(2, 1) + distinct(2 * rows, 2 * columns, 2) / 1000


def brute_entropy(patch: np.ndarray) -> float:
    """Of one patch (3, p, p), as the paper's equations say, in plain float64."""
    grey = np.tensordot([0.2989, 0.587, 0.114], patch.astype(np.float64), 1).reshape(-1)
    density = [float(np.mean(np.exp(-0.5 * ((grey - centre) / 0.01) ** 2))) for centre in np.linspace(-1, 1, 32)]
    return -sum(d / sum(density) * math.log(d / sum(density)) for d in density if d > 0)


@pytest.mark.parametrize("size", [16, 8])
def test_entropies_are_those_of_the_equations(size: int) -> None:
    picture = noise(1, 3, 32, 48) * 2 - 1
    found = published_entropies(picture).of_16 if size == 16 else published_entropies(picture).of_8
    for row in range(32 // size):
        for column in range(48 // size):
            patch = picture[0, :, row * size : (row + 1) * size, column * size : (column + 1) * size]
            assert float(found[0, row, column]) == pytest.approx(brute_entropy(patch.numpy()), abs=1e-5)


def test_bands_of_a_tall_picture_are_joined() -> None:
    picture = noise(1, 3, 1040, 272)
    found = published_entropies(picture)
    assert torch.equal(found.of_8[:, -2:], published_entropies(picture[:, :, -16:]).of_8)
    assert found.of_16.shape == (1, 65, 17)


@pytest.mark.parametrize("ratios", [(0.5, 0.4, 0.1), (0.1, 0.8, 0.1), (0.3, 0.6, 0.1), (0.02, 0.97, 0.01)])
def test_mixed_ratios_lose_a_coarse_cell_and_win_three_medium_ones(ratios: Ratios) -> None:
    found = select(*nested(ROWS, COLUMNS), medium=ratios[1], coarse=ratios[2])
    n_coarse, n_medium = counts_from_ratios(ratios, ROWS, COLUMNS)
    n_fine = 16 * (ROWS * COLUMNS - n_coarse + 1) - 4 * (n_medium + 3)
    assert counts(found) == (n_coarse - 1, n_medium + 3, n_fine)


def test_the_paper_s_own_figures_follow() -> None:
    """The published counts at 768 x 512, 14 bits an index and 7,680 bits of masks, give the paper's rates."""
    for ratios, bpp in (((0.5, 0.4, 0.1), 0.5502), ((0.1, 0.8, 0.1), 0.2876)):
        total = sum(counts(select(*nested(32, 48), medium=ratios[1], coarse=ratios[2])))
        assert (14 * total + 7680) / (768 * 512) == pytest.approx(bpp, abs=6e-5)


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ((0.0, 0.0, 1.0), (80, 0, 0)),
        ((0.0, 1.0, 0.0), (0, 320, 0)),
        ((1.0, 0.0, 0.0), (0, 0, 1280)),
        ((0.5, 0.5, 0.0), (0, 159, 644)),
        ((0.5, 0.0, 0.5), (39, 0, 656)),
        ((0.0, 0.5, 0.5), (39, 164, 0)),
        ((0.0, 0.8, 0.2), (15, 260, 0)),
    ],
)
def test_modes_with_an_empty_share(ratios: Ratios, expected: tuple[int, int, int]) -> None:
    of_16, of_8 = distinct(ROWS, COLUMNS, 1), distinct(2 * ROWS, 2 * COLUMNS, 2)
    assert counts(select(of_16, of_8, medium=ratios[1], coarse=ratios[2])) == expected


def test_a_share_that_rounding_leaves_of_nothing_is_served() -> None:
    assert 1 - 0.7 - 0.3 > 0
    masks = select(distinct(ROWS, COLUMNS, 1), distinct(2 * ROWS, 2 * COLUMNS, 2), medium=0.3, coarse=0.7)
    assert counts(masks)[0] == 55
    assert counts(masks)[2] >= 4


def test_a_flat_picture_is_dearest_as_published_and_cheapest_with_us() -> None:
    flat, busy = torch.full((1, 3, 64, 64), 0.25), noise(1, 3, 64, 64)
    picture = torch.cat([flat, busy], 3)
    ratios: Ratios = (0.25, 0.5, 0.25)
    published = published_map(flat, [ratios])
    assert counts(published) == (0, 0, 256)
    network = ControlGicConfig(input_range="unit")
    config = ModelConfig(control_gic=network)
    ours = select_cells(config, flat, [ratios])
    assert counts(ours) == (*counts_from_ratios(ratios, 4, 4), 64)
    assert sum(counts(ours)) < sum(counts(published))
    # Beside texture, all of the flat half is coarse or medium with us; as published its ties make it fine.
    half: Ratios = (0.5, 0.25, 0.25)
    theirs = select_cells(ModelConfig(selection="published", control_gic=network), picture, [half])
    assert int(theirs.fine[..., :16].sum()) == 256
    assert int(select_cells(config, picture, [half]).fine[..., :16].sum()) == 0


def test_flatness_is_least_with_us_at_every_grey_level_and_not_as_published() -> None:
    levels = torch.linspace(0, 1, 52).repeat_interleave(16)[None, None, None].expand(1, 3, 16, -1)
    published = published_entropies(levels * 2 - 1).of_16
    assert float(published.max() - published.min()) > 0.5
    ours = smoothed_entropy(grey_histograms((levels * 2 - 1)[:, 0], 16), 16, ModelConfig().entropy_sigma)
    assert float(ours.max() - ours.min()) < 1e-4


def test_each_picture_of_a_batch_has_its_own_thresholds_and_ratios() -> None:
    pictures, ratios = noise(2, 3, 48, 64), [(0.5, 0.4, 0.1), (0.0, 0.5, 0.5)]
    together = published_map(pictures, ratios)
    for item, shares in enumerate(ratios):
        alone = published_map(pictures[item : item + 1], [shares])
        for granularity in GRANULARITIES:
            assert torch.equal(together[granularity][item], alone[granularity][0])
        n_cells = alone.coarse.sum() * 16 + alone.medium.sum() * 4 + alone.fine.sum()
        assert int(n_cells) == 12 * 16


def test_the_value_range_is_that_of_the_network() -> None:
    picture = noise(1, 3, 64, 64)
    signed = ModelConfig(selection="published", control_gic=ControlGicConfig(input_range="signed"))
    ratios: list[Ratios] = [(0.5, 0.4, 0.1)]
    for config, values in ((signed, picture * 2 - 1), (ModelConfig(selection="published"), picture * 2 - 1)):
        assert torch.equal(select_cells(config, picture, ratios).fine, published_map(values, ratios).fine)
    unit = ModelConfig(selection="published", control_gic=ControlGicConfig())
    assert torch.equal(select_cells(unit, picture, ratios).fine, published_map(picture, ratios).fine)
    assert not torch.equal(select_cells(unit, picture, ratios).fine, select_cells(signed, picture, ratios).fine)


def test_the_published_masks_of_a_photograph(shared: Path) -> None:
    with safe_open(shared / "fixtures/control_gic_parity.safetensors", "pt") as file:
        picture = file.get_tensor("input/image")
        expected = {g: file.get_tensor(f"expect/mask_{g}").bool() for g in GRANULARITIES}
    found = published_map(picture, [(0.5, 0.4, 0.1)])
    assert all(torch.equal(found[g], expected[g]) for g in GRANULARITIES)
