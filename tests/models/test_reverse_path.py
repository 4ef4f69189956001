"""The reverse network, its schedule of noise, and the steps of its sampler."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from hvqcgic.bitstream.schedule import CELL_PX, GRANULARITIES
from hvqcgic.coder.tiling import halo
from hvqcgic.errors import ConfigError
from hvqcgic.models.decoder import assemble
from hvqcgic.models.granularity import every_size
from hvqcgic.models.reverse_path import Known, ReverseConfig, ReverseModel, all_fine, reverse
from hvqcgic.models.steps import MOST_STEPS, check_steps
from tests.control_gic import SMALL_CONTROL_GIC
from tests.models.small import SMALL, build, noise, random_masks, variant
from tests.random_reverse import SIZES, random_reverse

CPU = torch.device("cpu")
D = SMALL.code_width


def known_of(model: ReverseModel) -> Known:
    """What is known of a picture of 48 x 64 pixels with cells of all sizes."""
    masks = random_masks(1, 3, 4)
    codes, mean, deviation = (
        {g: noise(1, D, 48 // CELL_PX[g], 64 // CELL_PX[g], seed=seed) + 0.1 for g in GRANULARITIES}
        for seed in (1, 2, 3)
    )
    known = model.known(codes, mean, deviation, masks)
    assert torch.equal(known.start, assemble(codes, masks))
    return known


def test_there_is_no_noise_at_either_end() -> None:
    config = ReverseConfig(noise=0.7)
    assert config.path_noise(torch.tensor([0.0, 1.0])).tolist() == [0, 0]
    assert config.step_noise(1.0, 0.0) == config.step_noise(0.3, 0.3) == 0
    assert float(config.path_noise(torch.tensor(0.5))) == pytest.approx(0.35)


@pytest.mark.parametrize("steps", [2, 3, 7])
def test_steps_keep_the_noise_of_the_path(steps: int) -> None:
    """Each step scales the noise there is and adds some: as much as the points have that a network is trained on."""
    config, variance = ReverseConfig(noise=0.7), 0.0
    for step in range(steps - 1):
        time, following = 1 - step / steps, 1 - (step + 1) / steps
        variance = variance * (following / time) ** 2 + config.step_noise(time, following) ** 2
        assert variance == pytest.approx(float(config.path_noise(torch.tensor(following))) ** 2)


def test_a_fresh_network_changes_nothing() -> None:
    torch.manual_seed(0)
    model = ReverseModel(ReverseConfig(**SIZES), SMALL)
    known = known_of(model)
    estimate = model.network(known.start, torch.ones(1), known)
    assert torch.equal(estimate.features, known.start)
    assert estimate.hints.shape == (1, SIZES["hint_channels"], 12, 16)


def test_a_tuned_decoder_starts_as_the_models_own() -> None:
    plain = build(SMALL).decoder
    for hints in (0, 2):
        model = random_reverse(SMALL, hint_channels=hints)
        known = known_of(model)
        estimate = model.network(known.start, torch.ones(1), known)
        model.start(plain)
        assert model.decoder is not None
        assert model.decoder.guides is not None
        for reader in model.decoder.guides.parameters():
            torch.nn.init.zeros_(reader)
        torch.testing.assert_close(model.picture(estimate, known, plain), plain(known.start, known.masks))


def test_what_is_known_of_a_position() -> None:
    model = random_reverse(SMALL)
    known = known_of(model)
    start, mean, sigma, sizes = known.planes.split([D, D, D, 3], 1)
    assert torch.equal(start, known.start)
    assert torch.equal(sizes.sum(1), torch.ones(1, 12, 16))
    masks = random_masks(1, 3, 4)
    assert torch.equal(sizes[:, 2:].bool(), masks.fine)
    deviation = torch.exp2(sigma).square().mean(1, keepdim=True).sqrt()
    for size, g in enumerate(GRANULARITIES):
        place = sizes[:, size : size + 1].bool()
        expected = model.deviation[size] * (deviation / model.spread[size]).clamp(0.5, 2)
        torch.testing.assert_close(known.level[place], expected[place])
        assert place.any(), g
    assert not torch.equal(mean, torch.zeros_like(mean))


def test_the_network_sees_a_limited_part() -> None:
    model = random_reverse(SMALL)

    def run(probe: Tensor) -> list[Tensor]:
        estimate = model.network(
            probe[:, :D], torch.ones(1), Known(probe[:, :D], probe[:, D + 1 :], probe[:, D:][:, :1], every_size(probe))
        )
        return [estimate.features, estimate.hints]

    far = halo(run, 1 + D + 3 * D + 3, 4, CPU)
    assert far is not None
    assert 0 < far < 64


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_perfect_estimate_arrives(steps: int) -> None:
    clean, start, level = noise(1, D, 4, 4, seed=1), noise(1, D, 4, 4, seed=2), noise(1, 1, 4, 4, seed=3)
    times: list[float] = []

    def estimate(state: Tensor, time: float) -> Tensor:
        times.append(time)
        torch.testing.assert_close(state, torch.lerp(clean, start, time))
        return clean

    state = reverse(
        estimate, start, level, ReverseConfig(), steps=steps, randomness=0, noise=lambda: torch.ones_like(start)
    )
    torch.testing.assert_close(state, torch.lerp(clean, start, 1 / steps))
    assert times == pytest.approx([1 - step / steps for step in range(steps - 1)])


def test_noise_follows_schedule_level_and_randomness() -> None:
    start, level = torch.zeros(1, D, 4, 4), noise(1, 1, 4, 4)
    config, drawn = ReverseConfig(noise=0.5), torch.randn(1, D, 4, 4, generator=torch.Generator().manual_seed(0))
    state = reverse(lambda state, _: state, start, level, config, steps=2, randomness=3, noise=lambda: drawn)
    torch.testing.assert_close(state, 3 * 0.25 * level * drawn)


def test_decoders() -> None:
    plain = build(SMALL).decoder
    for config in ({}, {"hint_channels": 0}, {"decoder": "kept", "hint_channels": 0}):
        model = random_reverse(SMALL, **config)
        known = known_of(model)
        estimate = model.network(known.start, torch.ones(1), known)
        picture = model.picture(estimate, known, plain)
        assert picture.shape == (1, 3, 48, 64)
        if config.get("decoder") == "kept":
            assert model.decoder is None
            assert torch.equal(picture, plain(estimate.features, all_fine(estimate.features)))
        else:
            for other in (replace(estimate, hints=estimate.hints + 1), replace(estimate, features=known.start)):
                hinted = other.hints is not estimate.hints
                unread = hinted and not config.get("hint_channels", 2)
                assert torch.equal(model.picture(other, known, plain), picture) == unread


def test_steps_that_can_be_taken() -> None:
    for steps in (0, 1, MOST_STEPS):
        check_steps(steps, 0)
    for steps, randomness in ((-1, 1), (MOST_STEPS + 1, 1), (1, -1), (1, float("inf")), (1, float("nan"))):
        with pytest.raises(ConfigError):
            check_steps(steps, randomness)


def test_a_configuration_survives_json() -> None:
    config = ReverseConfig(**SIZES, noise=0.3)
    values = {key: list(value) if isinstance(value, tuple) else value for key, value in config.to_dict().items()}
    assert ReverseConfig.from_dict(values) == config


@pytest.mark.parametrize(
    "values",
    [
        {"widths": [0, 8, 8]},
        {"blocks": [1, -1, 1]},
        {"hint_channels": -1},
        {"decoder": "kept"},
        {"noise": -1},
        {"noise": float("nan")},
        {"depth": 3},
        {"widths": "wide"},
    ],
)
def test_configurations_that_no_path_can_have(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"reverse(: |\.)|ReverseConfig: unknown field"):
        ReverseConfig.from_dict(values)


def test_models_that_can_have_no_path() -> None:
    for config in (variant(backbone={"decoder_prior": True}), SMALL_CONTROL_GIC):
        with pytest.raises(ConfigError, match=f"model {config.name}: a reverse path needs this project's decoder"):
            ReverseModel(ReverseConfig(), config)
