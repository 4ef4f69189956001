import dataclasses

import pytest
import torch
from torch import nn

from hvqcgic.models.hyperprior import HyperAnalysis, PooledAnalysis, hyper_synthesis, pooled_synthesis, sent_positions
from tests.models.small import SMALL, noise

SIZES = [(1, 1), (2, 3), (4, 4), (5, 8), (9, 7)]


@pytest.mark.parametrize("footprint", [4, 8, 16])
@pytest.mark.parametrize(("h", "w"), SIZES)
def test_a_hyper_latent_has_a_footprint_of_cells_and_hints_have_them_all(h: int, w: int, footprint: int) -> None:
    config = dataclasses.replace(SMALL.entropy, z_footprint=footprint)
    analysis = HyperAnalysis(config, 3, 2)
    mask = noise(2, 1, h, w) < 0.5
    z = analysis(noise(2, 3, h, w), mask)
    sent = sent_positions(mask, footprint)
    assert z.shape == (2, 2, -(-h // footprint), -(-w // footprint)) == (2, 2, *sent.shape[2:])
    hints = hyper_synthesis(config, 2)(z.round())
    assert hints.shape == (2, config.synthesis_channels, footprint * z.shape[2], footprint * z.shape[3])


@pytest.mark.parametrize("footprint", [4, 16, 64])
@pytest.mark.parametrize(("h", "w"), SIZES)
def test_pooled_hints_are_the_same_for_all_cells_of_a_footprint(h: int, w: int, footprint: int) -> None:
    config = dataclasses.replace(SMALL.entropy, z_footprint=footprint)
    mask = noise(2, 1, h, w) < 0.5
    z = PooledAnalysis(config, 3, 2)(noise(2, 3, h, w), mask)
    assert z.shape == (2, 2, -(-h // footprint), -(-w // footprint))
    hints = pooled_synthesis(config, 2)(4 * z)
    assert hints.shape == (2, config.synthesis_channels, footprint * z.shape[2], footprint * z.shape[3])
    blocks = hints.unflatten(3, (-1, footprint)).unflatten(2, (-1, footprint))
    assert torch.equal(blocks, blocks[:, :, :, :1, :, :1].expand_as(blocks))


def test_a_pooled_latent_does_not_depend_on_the_size_of_an_even_region() -> None:
    analysis = PooledAnalysis(dataclasses.replace(SMALL.entropy, z_footprint=64), 3, 2)
    y = noise(1, 3, 1, 1)
    with torch.no_grad():
        small, large = (analysis(y.expand(1, 3, n, n), torch.ones(1, 1, n, n, dtype=torch.bool)) for n in (48, 64))
        other = analysis(-y.expand(1, 3, 64, 64), torch.ones(1, 1, 64, 64, dtype=torch.bool))
    assert float((small - large).abs().max()) < 0.1 * float((other - large).abs().max())


@pytest.mark.parametrize("kind", [HyperAnalysis, PooledAnalysis])
def test_analysis_sees_the_cells_of_its_granularity_and_nothing_else(kind: type[nn.Module]) -> None:
    analysis = kind(SMALL.entropy, 3, 2)
    mask = noise(1, 1, 9, 7) < 0.5
    y = noise(1, 3, 9, 7, seed=1)
    z = analysis(y, mask)
    assert torch.equal(analysis(torch.where(mask, y, 1e3), mask), z)
    assert not torch.equal(analysis(torch.where(mask, y + 1, y), mask), z)
    assert not torch.equal(analysis(y * mask, torch.ones_like(mask)), z)


@pytest.mark.parametrize(("h", "w"), SIZES)
def test_hyper_latents_are_sent_where_their_footprint_holds_a_cell(h: int, w: int) -> None:
    mask = noise(2, 1, h, w, seed=h) < 0.08
    sent = sent_positions(mask)
    for item, row, column in torch.cartesian_prod(*(torch.arange(n) for n in (2, *sent.shape[2:]))).tolist():
        footprint = mask[item, 0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        assert bool(sent[item, 0, row, column]) == bool(footprint.any())
