"""The float networks that are trained against the integer ones that code files."""

from typing import Any

import numpy as np
import pytest
import torch

from hvqcgic.bitstream.schedule import GRANULARITIES, parse_schedule
from hvqcgic.entropy import Masks
from hvqcgic.entropy.factorised_prior import sent_positions as sent_in_files
from hvqcgic.entropy.schedule import positions
from hvqcgic.models.context import bring_masks, phase_mask
from hvqcgic.models.granularity import granularity_map, pad_to_cells
from hvqcgic.models.hyperprior import sent_positions
from hvqcgic.training.rate import estimate_rate
from tests.models.small import CHECKERBOARD, MIXED, PAPER, SCHEDULES, SEVEN_PASSES, noise, random_masks
from tests.random_model import RandomModel, random_model, random_picture, small_config

TOLERANCE = 0.002
"""What integers may cost, as a share of the bits."""

LARGEST_MISS = 23
"""Bits above which integers are cheaper, as every code keeps a probability of at least about 2^-24."""

CASES: list[tuple[str, tuple[str, ...], dict[str, Any]]] = [
    ("learned", SEVEN_PASSES, {}),
    ("diagonal", SEVEN_PASSES, {"log_prior": False}),
    ("quadratic", SEVEN_PASSES, {}),
    ("diagonal", PAPER, {"z_channels": (2, 0, 1)}),
    ("learned", CHECKERBOARD, {"z_channels": (0, 0, 0)}),
    ("quadratic", PAPER, {"log_prior": False}),
    ("mahalanobis", SEVEN_PASSES, {}),
    ("mahalanobis", PAPER, {"embedding": "codebook"}),
]


def arrays(masks: Any) -> Masks:
    return Masks(*(masks[g][0, 0].numpy() for g in GRANULARITIES))


@torch.no_grad()
def sharp_model(form: str, schedule: tuple[str, ...], fields: dict[str, Any]) -> RandomModel:
    """A random model whose predictions matter: codes lie about 1 apart, and Gaussians are narrower than that."""
    built = random_model(small_config(form=form, schedule=schedule, **fields))
    model, weights = built.model, dict(built.model.named_parameters())
    model.quantiser.codebook.mul_(10)
    for name in (name for name in weights if name.startswith("encoder.heads")):
        weights[name].mul_(10)
    z = model.hyper_latents(model.encoder(noise(1, 3, 80, 128)), random_masks(1, 5, 8))
    for g, values in z.items():
        for name in ("weight", "bias"):
            weights[f"analysis.{g}.network.4.{name}"].mul_(4 / values.abs().max())
    d = model.prior.embedding(model.quantiser.codebook).shape[1]
    for step in model.passes if form != "learned" else ():
        last = f"context.{step.name.replace('/', '_')}.6.convolution"
        weights[f"{last}.weight"].mul_(0.5)
        weights[f"{last}.weight"][2 * d :] *= 0.5
        # In a learned embedding codes lie further apart.
        weights[f"{last}.bias"][d : 2 * d] += 0.5 if model.config.entropy.learns_embedding else -0.5
    return built


@torch.no_grad()
def bits_of_both(built: RandomModel, picture: np.ndarray) -> tuple[dict[str, float], dict[str, float]]:
    """Bits of hyper-latents and of each granularity's indices: in floating point, and in integers."""
    model = built.model
    padded = pad_to_cells(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255)
    masks = granularity_map(padded, [MIXED], model.config.entropy_sigma)
    features = model.encoder(padded)
    codes = model.quantise(features, masks)
    rate = estimate_rate(model, built.priors, features, masks, codes)
    assert max(float(bits.max()) for bits in rate.cell_bits.values()) < LARGEST_MISS
    estimated = {g: float(rate.cell_bits[g].sum()) for g in GRANULARITIES} | {"z": float(rate.z_bits)}
    parts = codes.quantised.indices.split(codes.counts)
    indices = {g: part.numpy() for g, part in zip(GRANULARITIES, parts, strict=True)}
    latents = model.hyper_latents(features, masks)
    z = {g: values[0].round().long().numpy() for g, values in latents.items()}
    assert all(np.abs(values).max() > 1 for values in z.values())
    coded = built.freeze().entropy_model().encode(arrays(masks), indices, z, mode="adaptive")
    return estimated, {name: coded.parts[name] for name in estimated}


@pytest.mark.parametrize(("form", "schedule", "fields"), CASES, ids=[f"{c[0]}-{len(c[1])}-{c[2]}" for c in CASES])
def test_integers_cost_what_the_float_model_says(form: str, schedule: tuple[str, ...], fields: dict[str, Any]) -> None:
    built = sharp_model(form, schedule, fields)
    estimated, coded = bits_of_both(built, random_picture(120, 72, seed=3))
    assert sum(coded.values()) == pytest.approx(sum(estimated.values()), rel=TOLERANCE)
    for name, bits in estimated.items():
        assert coded[name] == pytest.approx(bits, rel=0.01, abs=1), name


@pytest.mark.parametrize(("form", "schedule", "fields"), CASES[:3], ids=[c[0] for c in CASES[:3]])
def test_a_little_noise_in_the_networks_costs_more_than_integers_do(
    form: str, schedule: tuple[str, ...], fields: dict[str, Any]
) -> None:
    built, picture = sharp_model(form, schedule, fields), random_picture(120, 72, seed=3)
    estimated, _ = bits_of_both(built, picture)
    with torch.no_grad():
        for name, weight in built.model.context.named_parameters():
            if name.endswith("6.convolution.weight"):
                weight.mul_(1.5)
    _, coded = bits_of_both(built, picture)
    assert sum(coded.values()) != pytest.approx(sum(estimated.values()), rel=TOLERANCE)


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_both_see_the_same_masks(granularity: str) -> None:
    masks = random_masks(1, 3, 5)
    np.testing.assert_array_equal(arrays(masks).on_grid(granularity), bring_masks(masks, granularity)[0].numpy() > 0)


@pytest.mark.parametrize("size", [(1, 1), (5, 4), (9, 13)])
@pytest.mark.parametrize("footprint", [4, 8])
def test_both_send_the_same_hyper_latents(size: tuple[int, int], footprint: int) -> None:
    mask = noise(1, 1, *size) < 0.08
    in_files = sent_in_files(mask[0, 0].numpy(), footprint)
    np.testing.assert_array_equal(in_files, sent_positions(mask, footprint)[0, 0].numpy())


@pytest.mark.parametrize("schedule", SCHEDULES, ids=len)
def test_both_put_the_same_cells_into_a_pass(schedule: tuple[str, ...]) -> None:
    for step in parse_schedule(schedule):
        np.testing.assert_array_equal(positions(step, 5, 8), phase_mask(step, torch.zeros(5, 8)).numpy())


def test_both_clamp_at_the_limit_of_the_configuration() -> None:
    estimates = []
    for limit in (8.0, 32.0):
        built = sharp_model("mahalanobis", SEVEN_PASSES, {"activation_limit": limit})
        with torch.no_grad():
            for step in built.model.passes:
                network = built.model.context_of(step)
                network.get_parameter("0.convolution.weight").mul_(40)
                network.get_parameter("6.convolution.weight").mul_(0.1)
        assert built.freeze().spec["activation_limit"] == limit
        estimated, coded = bits_of_both(built, random_picture(120, 72, seed=3))
        assert sum(coded.values()) == pytest.approx(sum(estimated.values()), rel=TOLERANCE)
        estimates.append(sum(estimated.values()))
    assert abs(estimates[0] / estimates[1] - 1) > 5 * TOLERANCE
