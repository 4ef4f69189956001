from typing import Any

import pytest
import torch

from hvqcgic.errors import ConfigError
from hvqcgic.models import MeansConfig, ModelConfig, largest_latent, local_means, spread


def test_latents_are_rounded_means_of_blocks_and_of_what_a_border_leaves_of_them() -> None:
    config = MeansConfig(block_px=32, luma_step=10, chroma_step=6)
    picture = torch.zeros(1, 3, 48, 64)
    picture[..., :32] = 0.5 + 21 / 255  # grey: luma of two steps and a tenth
    picture[:, 2, :, 32:] = 1.0  # blue
    found = local_means(config, picture)
    assert found.shape == (1, 3, 2, 2)
    assert found[0, :, :, 0].tolist() == [[2, 2], [0, 0], [0, 0]]
    luma, blue_difference, red_difference = 0.114 - 0.5, 0.5, -0.081312
    expected = [round(luma * 255 / 10), round(blue_difference * 255 / 6), round(red_difference * 255 / 6)]
    assert found[0, :, 0, 1].tolist() == found[0, :, 1, 1].tolist() == expected


def test_the_picture_of_the_means_is_bilinear_between_centres_of_blocks() -> None:
    config, latents = MeansConfig(block_px=32), torch.zeros(1, 3, 1, 2)
    latents[0, 0, 0] = torch.tensor([-3.0, 5.0])
    row = spread(config, latents, (0, 1), (0, 64))[0, 1, 0] * 255 - 127.5
    assert row[:16].tolist() == pytest.approx([-30.0] * 16, abs=1e-3)
    assert row[48:].tolist() == pytest.approx([50.0] * 16, abs=1e-3)
    assert float(row[16]) == pytest.approx(-30 + 80 * 0.5 / 32, abs=1e-3)


def test_a_part_of_it_equals_the_same_part_of_the_whole() -> None:
    config, generator = MeansConfig(block_px=32), torch.Generator().manual_seed(0)
    latents = torch.randint(-12, 13, (2, 3, 4, 5), generator=generator).float()
    whole = spread(config, latents, (0, 112), (0, 144))
    assert torch.equal(spread(config, latents, (16, 96), (48, 144)), whole[..., 16:96, 48:144])


@pytest.mark.parametrize("level", [0.0, 0.31, 1.0])
def test_an_even_picture_comes_back_to_half_a_step(level: float) -> None:
    config, picture = MeansConfig(), torch.full((1, 3, 64, 64), level)
    latents = local_means(config, picture)
    assert float(latents.abs().max()) <= largest_latent(config)
    assert float((spread(config, latents, (0, 64), (0, 64)) - picture).abs().max()) <= 5.001 / 255


def test_the_largest_latent_holds_for_every_colour() -> None:
    corners = torch.tensor([[r, g, b] for r in (0.0, 1.0) for g in (0.0, 1.0) for b in (0.0, 1.0)])
    for config in (MeansConfig(), MeansConfig(luma_step=4, chroma_step=4), MeansConfig(luma_step=64, chroma_step=5)):
        latents = local_means(config, corners.view(8, 3, 1, 1).expand(-1, -1, 32, 32))
        assert float(latents.abs().max()) <= largest_latent(config)


@pytest.mark.parametrize(
    ("field", "value"), [("block_px", 16), ("block_px", 40), ("luma_step", 0), ("chroma_step", 65)]
)
def test_settings_out_of_range_are_one_error(field: str, value: int) -> None:
    settings: dict[str, Any] = {field: value}
    with pytest.raises(ConfigError, match=field):
        MeansConfig(**settings)


def test_a_configuration_with_means_survives_its_dictionary_and_one_without_has_no_field() -> None:
    config = ModelConfig(means=MeansConfig(block_px=64))
    assert ModelConfig.from_dict(config.to_dict()) == config
    assert "means" not in ModelConfig().to_dict()
