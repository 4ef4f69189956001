import torch

from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.models.picture_model import scatter_rows
from tests.models.small import MIXED, SMALL, build, noise, random_masks


def test_rows_go_to_their_cells_and_nothing_elsewhere() -> None:
    mask = noise(2, 1, 3, 5) < 0.5
    rows = noise(int(mask.sum()), 4)
    found = scatter_rows(rows, mask)
    assert found.shape == (2, 4, 3, 5)
    assert torch.equal(found.permute(0, 2, 3, 1)[mask[:, 0]], rows)
    assert not found.permute(0, 2, 3, 1)[~mask[:, 0]].any()


def test_every_cell_gets_the_code_that_is_nearest_to_its_feature() -> None:
    model, masks = build(SMALL), random_masks(2, 3, 4, ratios=MIXED)
    features = model.encoder(noise(2, 3, 48, 64))
    codes = model.quantise(features, masks)
    assert codes.counts == tuple(int(masks[g].sum()) for g in GRANULARITIES)
    for g in GRANULARITIES:
        distances = torch.cdist(features[g].permute(0, 2, 3, 1).flatten(0, 2), model.quantiser.codebook)
        nearest = distances.argmin(1).view(2, *masks[g].shape[2:])
        cells = masks[g][:, 0]
        assert torch.equal(codes.index_maps[g][:, 0][cells], nearest[cells])
        torch.testing.assert_close(codes.maps[g].permute(0, 2, 3, 1)[cells], model.quantiser.codebook[nearest[cells]])
        assert not codes.maps[g].permute(0, 2, 3, 1)[~cells].any()


def test_the_distortion_reaches_the_encoder_through_the_codes() -> None:
    model, masks = build(SMALL), random_masks(1, 2, 3)
    codes = model.quantise(model.encoder(noise(1, 3, 32, 48)), masks)
    model.reconstruct(codes.maps, masks).square().mean().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.encoder.parameters())


def test_what_lies_outside_its_cells_does_not_matter_to_the_picture() -> None:
    model, masks = build(SMALL), random_masks(1, 2, 3)
    maps = {g: noise(1, 3, *masks[g].shape[2:]) for g in GRANULARITIES}
    littered = {g: torch.where(masks[g], values, 1e3) for g, values in maps.items()}
    assert torch.equal(model.reconstruct(maps, masks), model.reconstruct(littered, masks))
