import pytest
import torch

from hvqcgic.models.discriminator import PatchDiscriminator
from tests.models.small import noise


@pytest.mark.parametrize(("height", "width"), [(8, 8), (32, 48), (41, 63)])
def test_every_patch_of_8_px_has_a_score(height: int, width: int) -> None:
    scores = PatchDiscriminator(width=8)(noise(2, 3, height, width))
    assert scores.shape == (2, 1, height // 8, width // 8)


def test_pictures_are_scored_apart_and_scores_reach_the_picture() -> None:
    critic = PatchDiscriminator(width=8).eval()
    pictures = noise(2, 3, 32, 32).requires_grad_()
    scores = critic(pictures)
    torch.testing.assert_close(critic(pictures[:1]), scores[:1], rtol=1e-4, atol=1e-3)
    scores[1].sum().backward()
    assert pictures.grad is not None
    assert not pictures.grad[0].any()
    assert pictures.grad[1].abs().sum() > 0
