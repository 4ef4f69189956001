from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hvqcgic.bitstream import MEANS
from hvqcgic.bitstream.schedule import CELL_PX, GRANULARITIES
from hvqcgic.models.granularity import Ratios, granularity_map, pad_to_cells
from hvqcgic.models.index_prior import parameter_count
from hvqcgic.models.network import HvqModel
from hvqcgic.models.picture_model import PictureModel
from tests.models.small import (
    CORNERS,
    MIXED,
    SCHEDULES,
    SMALL,
    build,
    code_maps,
    noise,
    published_config,
    random_indices,
    random_masks,
    variant,
)

MASKS = random_masks(1, 5, 6)
"""A granularity map with cells of every size in every pass of every schedule."""


@pytest.fixture(scope="module", params=["tiny", "base", "small"])
def model(request: pytest.FixtureRequest) -> HvqModel:
    return build(SMALL if request.param == "small" else published_config(request.param))


@pytest.mark.parametrize("ratios", [MIXED, *CORNERS])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (33, 50), (80, 17)])
@torch.no_grad()
def test_pictures_of_any_size_pass_through_every_network(
    model: HvqModel, ratios: Ratios, height: int, width: int
) -> None:
    config, (rows, columns) = model.config, (-(-height // 16), -(-width // 16))
    padded = pad_to_cells(noise(2, 3, height, width))
    masks = granularity_map(padded, [ratios, MIXED], config.entropy_sigma)
    features = model.features(padded)
    codes = model.quantise(features, masks)
    z = model.hyper_latents(features, masks)
    known = {g: values.round() for g, values in z.items()} | {
        name: features[name] for name in features if name == MEANS
    }
    hints = model.hints(known, masks)
    parameters = model.pass_parameters(masks, codes.maps, hints)
    indices = model.pass_indices(masks, codes.index_maps)
    for g in GRANULARITIES:
        grid = (rows * 16 // CELL_PX[g], columns * 16 // CELL_PX[g])
        assert masks[g].shape == (2, 1, *grid)
        assert features[g].shape == codes.maps[g].shape == (2, config.code_width, *grid)
        assert codes.index_maps[g].shape == (2, 1, *grid)
        if g in z:
            footprint = config.entropy.z_footprint
            assert z[g].shape == (2, model.z_channels[g], -(-grid[0] // footprint), -(-grid[1] // footprint))
            assert hints[g].shape == (2, model.hint_count(g), *grid)
    assert sum(map(len, indices.values())) == sum(codes.counts) == len(codes.y)
    width_of_prior = parameter_count(config.entropy, config.code_width)
    assert {name: found.shape for name, found in parameters.items()} == {
        name: (len(found), width_of_prior) for name, found in indices.items()
    }
    assert model.reconstruct(codes.maps, masks, means=model.means_of(features)).shape == padded.shape


def test_granularities_without_hyper_latents_have_no_networks_for_them() -> None:
    model = build(variant(z_channels=(0, 2, 0)))
    assert set(model.analysis) == set(model.synthesis) == {"medium"}
    masks = random_masks(1, 2, 3)
    features = model.encoder(noise(1, 3, 32, 48))
    z = model.hyper_latents(features, masks)
    assert set(z) == set(model.hints(z, masks)) == {"medium"}


def test_hyper_latents_stay_inside_their_limit() -> None:
    model = build(variant(z_limit=2))
    masks = random_masks(1, 2, 3)
    with torch.no_grad():
        features = {g: 1e4 * values for g, values in model.encoder(noise(1, 3, 32, 48)).items()}
        z = model.hyper_latents(features, masks)
    assert [float(values.abs().max()) for values in z.values()] == [2, 2]


def parameters_of(model: HvqModel, indices: dict[str, Tensor]) -> dict[str, Tensor]:
    """Parameters of all passes."""
    z = {
        g: (8 * noise(1, count, *(-(-n // 4) for n in MASKS[g].shape[2:])) - 4).round()
        for g, count in model.z_channels.items()
    }
    with torch.no_grad():
        return model.pass_parameters(MASKS, code_maps(model, indices), model.hints(z, MASKS))


def disturbed(model: HvqModel, indices: dict[str, Tensor], names: set[str]) -> dict[str, Tensor]:
    """Indices with other ones in all cells of some passes, and wherever there is no cell."""
    kept = {g: torch.zeros_like(MASKS[g]) for g in GRANULARITIES}
    for step in model.passes:
        if step.name not in names:
            kept[step.granularity] |= model.cells(step, MASKS)
    size = model.config.codebook_size
    return {g: torch.where(kept[g], values, (values + 1 + size // 2) % size) for g, values in indices.items()}


@pytest.mark.parametrize("schedule", SCHEDULES, ids=len)
def test_no_pass_sees_itself_or_what_comes_after_it(schedule: tuple[str, ...]) -> None:
    model = build(variant(schedule=schedule))
    indices = random_indices(model, MASKS)
    plain = parameters_of(model, indices)
    assert all(len(found) for found in plain.values())
    for place in range(len(schedule)):
        found = parameters_of(model, disturbed(model, indices, set(schedule[place:])))
        for name in schedule[: place + 1]:
            assert torch.equal(found[name], plain[name]), f"{name} sees {schedule[place:]}"


@pytest.mark.parametrize("schedule", SCHEDULES, ids=len)
def test_every_pass_sees_each_pass_before_it(schedule: tuple[str, ...]) -> None:
    model = build(variant(schedule=schedule))
    indices = random_indices(model, MASKS)
    plain = parameters_of(model, indices)
    for place, name in enumerate(schedule):
        found = parameters_of(model, disturbed(model, indices, {name}))
        for later in schedule[place + 1 :]:
            assert not torch.equal(found[later], plain[later]), f"{later} does not see {name}"


def test_hints_reach_the_parameters_of_their_granularity_alone() -> None:
    model = build(variant(z_channels=(2, 2, 2)))
    masks = random_masks(1, 3, 4)
    codes = code_maps(model, random_indices(model, masks))
    z = {g: torch.zeros(1, 2, *(-(-n // 4) for n in masks[g].shape[2:])) for g in GRANULARITIES}
    plain = model.pass_parameters(masks, codes, model.hints(z, masks))
    for g in GRANULARITIES:
        found = model.pass_parameters(masks, codes, model.hints(z | {g: z[g] + 3}, masks))
        changed = {step.granularity for step in model.passes if not torch.equal(found[step.name], plain[step.name])}
        assert changed == {g}


@pytest.mark.parametrize("schedule", SCHEDULES, ids=len)
def test_parameters_and_indices_are_laid_out_where_their_cells_are(schedule: tuple[str, ...]) -> None:
    model = build(variant(schedule=schedule))
    masks = random_masks(2, 3, 4)
    numbers = {g: torch.arange(masks[g].numel()).view_as(masks[g]) + 1000 * i for i, g in enumerate(GRANULARITIES)}
    rows = {name: found[:, None].float() for name, found in model.pass_indices(masks, numbers).items()}
    found = model.assemble_parameters(rows, masks)
    expected = sum(
        (numbers[g] * masks[g]).repeat_interleave(CELL_PX[g] // 4, -1).repeat_interleave(CELL_PX[g] // 4, -2)
        for g in GRANULARITIES
    )
    assert torch.equal(found, torch.as_tensor(expected).float())


def test_weights_are_trained_where_they_belong() -> None:
    model = HvqModel(replace(SMALL, entropy=replace(SMALL.entropy, log_prior=False)))
    backbone, entropy = model.backbone_parameters(), model.entropy_parameters()
    everything = {id(weight): name for name, weight in model.named_parameters()}
    assert {everything[id(weight)].split(".")[0] for weight in backbone} == {"encoder", "decoder"}
    assert {everything[id(weight)].split(".")[0] for weight in entropy} == {"analysis", "synthesis", "context", "prior"}
    assert set(everything) - {id(weight) for weight in backbone + entropy} == {id(model.prior.log_prior)}


def test_a_model_holds_the_picture_networks_under_the_same_names() -> None:
    whole, picture = HvqModel(SMALL).state_dict(), PictureModel(SMALL).state_dict()
    assert {name: whole[name].shape for name in picture} == {name: value.shape for name, value in picture.items()}
