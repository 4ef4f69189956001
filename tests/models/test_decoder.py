import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hvqcgic.bitstream.schedule import CELL_PX, GRANULARITIES
from hvqcgic.models.config import ModelConfig
from hvqcgic.models.decoder import ConditionalDecoder, assemble
from hvqcgic.models.granularity import GranularityMap, Ratios, repeat
from hvqcgic.models.index_prior import parameter_count
from tests.models.small import CORNERS, MIXED, build, noise, random_masks, variant

MARGIN_CELLS = 10
"""Coarse cells beyond which a decoder of `tiny` sees nothing."""


def codes_like(masks: GranularityMap, width: int = 3, seed: int = 0) -> dict[str, Tensor]:
    batch = len(masks.coarse)
    return {g: noise(batch, width, *masks[g].shape[2:], seed=seed) for g in GRANULARITIES}


def decoder(**backbone: bool) -> ConditionalDecoder:
    found = build(variant(backbone=backbone)).decoder
    assert isinstance(found, ConditionalDecoder)
    return found


def centred(step: int, side: int) -> Tensor:
    """A pattern on the fine grid, (side, side), whose mean over every step x step block is 0."""
    pattern = noise(1, 1, side, side, seed=5)
    return pattern - repeat(F.avg_pool2d(pattern, step), step)


@pytest.mark.parametrize("ratios", [MIXED, *CORNERS])
def test_a_cell_lends_its_code_to_all_of_its_positions(ratios: Ratios) -> None:
    masks = random_masks(2, 3, 4, ratios=ratios)
    codes = codes_like(masks)
    found = assemble(codes, masks)
    assert found.shape == (2, 3, 12, 16)
    for item, row, column in torch.cartesian_prod(torch.arange(2), torch.arange(12), torch.arange(16)).tolist():
        for g in GRANULARITIES:
            r, c = (4 * place // CELL_PX[g] for place in (row, column))
            if masks[g][item, 0, r, c]:
                assert torch.equal(found[item, :, row, column], codes[g][item, :, r, c])


@pytest.mark.parametrize("ratios", [MIXED, *CORNERS])
def test_a_picture_has_16_px_a_coarse_cell(ratios: Ratios) -> None:
    masks = random_masks(2, 3, 4, ratios=ratios)
    picture = decoder()(assemble(codes_like(masks), masks), masks)
    assert picture.shape == (2, 3, 48, 64)
    assert bool(torch.isfinite(picture).all())


@pytest.mark.parametrize("medium", [False, True], ids=["", "medium"])
@pytest.mark.parametrize("fine", [False, True], ids=["", "fine"])
def test_without_its_condition_a_resolution_is_known_by_its_averages_alone(medium: bool, fine: bool) -> None:
    module = decoder(condition_medium=medium, condition_fine=fine)
    masks = random_masks(1, 2, 2, ratios=(1.0, 0.0, 0.0))
    y_hat = noise(1, 3, 8, 8)
    plain = module(y_hat, masks)
    for step, seen in ((4, medium or fine), (2, fine)):
        change = (module(y_hat + centred(step, 8), masks) - plain).abs().max()
        assert bool(change > 1e-3) == seen, f"averages over {step} x {step}"
        assert bool(change < 1e-5) == (not seen)


@pytest.mark.parametrize(
    ("ratios", "used"),
    [
        ((0.0, 0.0, 1.0), set()),
        ((0.0, 1.0, 0.0), {"medium_condition"}),
        ((1.0, 0.0, 0.0), {"medium_condition", "fine_condition"}),
    ],
    ids=["coarse", "medium", "fine"],
)
def test_conditions_are_told_where_cells_are_small_enough(ratios: Ratios, used: set[str]) -> None:
    module = decoder()
    masks = random_masks(1, 2, 3, ratios=ratios)
    y_hat = assemble(codes_like(masks), masks)
    plain = module(y_hat, masks)
    for name in ("medium_condition", "fine_condition"):
        condition = getattr(module, name)
        kept = condition.weight.detach().clone()
        condition.weight.data.zero_()
        assert torch.equal(module(y_hat, masks), plain) == (name not in used)
        condition.weight.data.copy_(kept)


def test_a_decoder_that_reads_the_prior_is_led_by_it() -> None:
    config = variant(backbone={"decoder_prior": True})
    module = build(config).decoder
    masks = random_masks(1, 2, 3)
    y_hat = assemble(codes_like(masks), masks)
    width = parameter_count(config.entropy, config.code_width)
    parameters = noise(1, width, 8, 12, seed=2).requires_grad_()
    module(y_hat, masks, parameters).sum().backward()
    assert parameters.grad is not None
    assert bool((parameters.grad.abs().sum((0, 2, 3)) > 0).all())
    assert torch.equal(module(y_hat, masks), module(y_hat, masks, torch.zeros_like(parameters)))


def test_a_picture_depends_on_cells_that_are_near_alone() -> None:
    module = build(ModelConfig()).decoder
    cells = 2 + 2 * MARGIN_CELLS
    crop_masks, masks = random_masks(1, cells, cells), random_masks(1, cells + 2, cells + 3, seed=7)
    crop = codes_like(crop_masks, 4)
    whole = {g: 9 * values - 5 for g, values in codes_like(masks, 4, seed=1).items()}
    for g in GRANULARITIES:
        one = 16 // CELL_PX[g]
        masks[g][..., one:-one, 2 * one : -one] = crop_masks[g]
        whole[g][..., one:-one, 2 * one : -one] = crop[g]
    with torch.inference_mode():
        of_crop = module(assemble(crop, crop_masks), crop_masks)
        of_whole = module(assemble(whole, masks), masks)[..., 16:-16, 32:-16]
    margin = 16 * MARGIN_CELLS
    inner = (..., slice(margin, margin + 32), slice(margin, margin + 32))
    torch.testing.assert_close(of_whole[inner], of_crop[inner], rtol=0, atol=1e-4)
    assert float((of_whole - of_crop).abs().max()) > 1e-2
