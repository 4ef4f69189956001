"""The distortion against what it should be by hand."""

import pytest
import torch

from hvqcgic.perceptual.losses import distortion, in_turns
from hvqcgic.training.config import TrainingConfig


def test_distortion_is_the_weighted_sum_of_its_parts() -> None:
    picture, decoded = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.5)
    config = TrainingConfig(mse_weight=4.0, l1_weight=0.5, lpips_weight=0.1)
    found = distortion(picture, decoded, config, lambda x, y: torch.tensor([1.0, 3.0]))
    assert {name: float(term) for name, term in found.terms.items()} == {"mse": 0.25, "l1": 0.5, "lpips": 2.0}
    assert float(found.total) == pytest.approx(4 * 0.25 + 0.5 * 0.5 + 0.1 * 2)
    assert float(distortion(picture, decoded, config, None).terms["lpips"]) == 0


def test_lpips_does_not_see_what_is_shifted_out() -> None:
    picture, decoded = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    decoded[..., :2, :] = decoded[..., :, :3] = 1
    seen: list[torch.Size] = []

    def perceptual(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        seen.append(x.shape)
        return (x - y).abs().sum((1, 2, 3))

    config = TrainingConfig(lpips_shift=3)
    assert float(distortion(picture, decoded, config, perceptual).terms["lpips"]) > 0
    shifted = distortion(picture, decoded, config, perceptual, shift=(2, 3))
    assert float(shifted.terms["lpips"]) == 0
    assert float(shifted.terms["mse"]) > 0
    assert seen == [(1, 3, 8, 8), (1, 3, 6, 5)]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("pictures", [1, 2, 5, 8])
def test_networks_in_turns_measure_every_picture_once_and_are_their_mean_in_the_long_run(
    count: int, pictures: int
) -> None:
    x, y = torch.rand(2, pictures, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    scaled = [lambda a, b, n=n: (n + 1) * (a - b).square().mean((1, 2, 3)) for n in range(count)]
    found = torch.stack([in_turns(scaled, first)(x, y) for first in range(count)])
    each = (x - y).square().mean((1, 2, 3))
    numbers = torch.tensor([[(first + n) % count + 1 for n in range(pictures)] for first in range(count)])
    torch.testing.assert_close(found, numbers * each)
    torch.testing.assert_close(found.mean(0), torch.stack([network(x, y) for network in scaled]).mean(0))
