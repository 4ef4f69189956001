"""Local statistics as a term of the loss."""

import torch
import torch.nn.functional as F

from hvqcgic.training.texture import texture_distance
from tests.random_model import random_picture


def picture() -> torch.Tensor:
    return torch.from_numpy(random_picture(128, 96, seed=3)).permute(2, 0, 1)[None].float() / 255


def blurred(values: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(F.pad(values, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def test_a_picture_is_at_no_distance_from_itself_nor_from_another_exposure() -> None:
    dim = 0.4 + 0.5 * picture()
    assert float(texture_distance(picture(), picture())) == 0
    assert float(texture_distance(dim + 0.1, dim)) < 1e-3


def test_distance_grows_with_blur_and_with_noise() -> None:
    noise = torch.randn(picture().shape, generator=torch.Generator().manual_seed(0))
    once, twice = blurred(picture()), blurred(blurred(picture()))
    assert 0.01 < float(texture_distance(once, picture())) < float(texture_distance(twice, picture()))
    little, much = (float(texture_distance(picture() + size * noise, picture())) for size in (0.01, 0.05))
    assert 0.005 < little < much


def test_descent_brings_the_statistics_back_without_the_pixels() -> None:
    decoded = (blurred(picture())).requires_grad_()
    before = float(texture_distance(decoded.detach(), picture()))
    optimiser = torch.optim.Adam([decoded], 0.005)
    for _ in range(40):
        optimiser.zero_grad()
        loss = texture_distance(decoded, picture())
        loss.backward()
        optimiser.step()
    assert float(texture_distance(decoded.detach(), picture())) < 0.5 * before


def test_flat_areas_have_a_gradient() -> None:
    flat = torch.full((1, 3, 64, 64), 0.5, requires_grad=True)
    texture_distance(flat, picture()[..., :64, :64]).backward()
    assert flat.grad is not None
    assert bool(flat.grad.isfinite().all())


def test_half_precision_around_it_changes_nothing() -> None:
    decoded = blurred(picture())
    with torch.autocast("cpu", torch.bfloat16):
        found = texture_distance(decoded, picture())
    assert torch.equal(found, texture_distance(decoded, picture()))
