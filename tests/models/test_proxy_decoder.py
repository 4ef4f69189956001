"""The proxy decoder: what it reads, what it refuses, and that half precision hardly changes it."""

import dataclasses

import pytest
import torch

from hvqcgic.errors import ConfigError
from hvqcgic.models import MeansConfig, ModelConfig, PictureModel, use_bf16
from hvqcgic.models.proxy_decoder import ProxyConfig
from hvqcgic.models.selection import select_cells
from tests.control_gic import SMALL_CONTROL_GIC
from tests.random_model import random_picture, small_config

PROXY = ProxyConfig(width=8, blocks=1)


def picture() -> torch.Tensor:
    return torch.from_numpy(random_picture(80, 64, seed=0)).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("means", [None, MeansConfig()])
def test_it_approximates_from_all_that_the_decoder_reads(means: MeansConfig | None) -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(small_config(), means=means)
    model = PictureModel(config, PROXY).eval().requires_grad_(False)
    masks = select_cells(config, picture(), [(0.4, 0.3, 0.3)])
    features = model.features(picture())
    maps = {g: features[g] for g in ("coarse", "medium", "fine")}
    spread = model.means_of(features)
    plain = model.approximate(maps, masks, spread)
    assert plain.shape == picture().shape
    for g in maps:
        changed = model.approximate(maps | {g: maps[g] + 1}, masks, spread)
        assert float((changed - plain).abs().max()) > 1e-3, g
    if spread is not None:
        assert float((model.approximate(maps, masks, spread + 0.1) - plain).mean()) == pytest.approx(0.1, abs=0.02)
    use_bf16(model, "bfloat16", torch.device("cpu"))
    assert float((model.approximate(maps, masks, spread) - plain).abs().mean()) < 0.01


@pytest.mark.parametrize("config", [small_config(decoder_prior=True), SMALL_CONTROL_GIC])
def test_decoders_that_it_cannot_imitate_are_refused(config: ModelConfig) -> None:
    with pytest.raises(ConfigError, match="a proxy cannot imitate this"):
        PictureModel(config, PROXY)


def test_its_configuration_is_checked() -> None:
    assert ProxyConfig.from_dict(PROXY.to_dict()) == PROXY
    for wrong in ({"width": 0}, {"blocks": -1}, {"depth": 1}):
        with pytest.raises(ConfigError, match=r"(?i)proxy"):
            ProxyConfig.from_dict(wrong)
