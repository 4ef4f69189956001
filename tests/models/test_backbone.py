import pytest
import torch

from hvqcgic.bitstream.schedule import CELL_PX, GRANULARITIES
from hvqcgic.models.backbone import Encoder
from hvqcgic.models.config import ModelConfig
from tests.models.small import SMALL, build, noise

MARGIN_CELLS = 8
"""Coarse cells beyond which an encoder of `tiny` sees nothing."""


@pytest.mark.parametrize(("height", "width"), [(16, 16), (32, 80)])
def test_features_lie_on_the_grids_of_their_granularities(height: int, width: int) -> None:
    features = Encoder(SMALL.backbone, 3)(noise(2, 3, height, width))
    assert set(features) == set(GRANULARITIES)
    for g, values in features.items():
        assert values.shape == (2, 3, height // CELL_PX[g], width // CELL_PX[g])


def test_features_depend_on_what_is_near_alone() -> None:
    encoder = build(ModelConfig()).encoder
    inner, margin = 32, 16 * MARGIN_CELLS
    crop = noise(1, 3, inner + 2 * margin, inner + 2 * margin)
    whole = 9 * noise(1, 3, crop.shape[2] + 32, crop.shape[3] + 48, seed=1) - 5
    whole[..., 16:-16, 32:-16] = crop
    with torch.inference_mode():
        of_crop, of_whole = encoder(crop), encoder(whole)
    for g in GRANULARITIES:
        px = CELL_PX[g]
        start, size = margin // px, inner // px
        middle = of_crop[g][..., start : start + size, start : start + size]
        shifted = of_whole[g][..., 16 // px :, 32 // px :]
        torch.testing.assert_close(shifted[..., start : start + size, start : start + size], middle, rtol=0, atol=1e-4)
        assert (shifted[..., 0, 0] - of_crop[g][..., 0, 0]).abs().max() > 1e-2


def test_pictures_of_a_batch_are_apart() -> None:
    encoder = Encoder(SMALL.backbone, 3)
    pictures = noise(2, 3, 32, 48)
    together, alone = encoder(pictures), encoder(pictures[1:])
    for g in GRANULARITIES:
        torch.testing.assert_close(together[g][1:], alone[g], rtol=0, atol=1e-5)


def test_inference_gives_the_numbers_of_training() -> None:
    encoder, picture = Encoder(SMALL.backbone, 3), noise(1, 3, 48, 64)
    trained = encoder(picture)
    with torch.inference_mode():
        found = encoder(picture)
    # Sums are in another order.
    for g in GRANULARITIES:
        torch.testing.assert_close(found[g], trained[g], rtol=1e-4, atol=1e-5)


def test_fresh_features_are_no_smaller_than_what_tells_cells_apart() -> None:
    with torch.inference_mode():
        features = build(ModelConfig()).encoder(noise(2, 3, 128, 128))
    # Between the decoder's masks, which are 0 or 1, features of some hundredths would be next to nothing.
    assert all(0.3 < float(values.square().mean().sqrt()) < 3 for values in features.values())
