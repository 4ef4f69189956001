"""Distortions of cells: what is counted."""

import numpy as np
import pytest

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.codec.codec import Codec
from hvqcgic.perceptual import CONTRAST_WEIGHT
from hvqcgic.rate_control import cell_distortions as module
from hvqcgic.rate_control.cell_distortions import cell_distortions, distortions
from tests.random_model import random_picture


def test_squared_error_and_contrast_of_the_picture_alone_count(codec: Codec) -> None:
    generator = np.random.default_rng(1)
    pixels, decoded = (generator.integers(0, 256, (13, 20, 3), dtype=np.uint8) for _ in range(2))
    picture = codec.analyse(pixels)
    found = distortions(picture, decoded)
    assert found.shape == (2, 4)
    inside = np.s_[:8, 8:16]
    luma = [each[inside] @ np.array([0.299, 0.587, 0.114]) for each in (pixels, decoded)]
    squares = np.square(pixels[inside].astype(float) - decoded[inside]).sum()
    contrast = (luma[0].std() - luma[1].std()) ** 2
    assert found[0, 1] == pytest.approx(squares + 3 * 64 * CONTRAST_WEIGHT * contrast, rel=1e-5)
    assert np.all(found[:, 3] == 0)
    assert np.all(distortions(picture, pixels) == 0)


def test_weights_multiply_and_padding_has_none(codec: Codec) -> None:
    picture = codec.analyse(random_picture(20, 13, seed=1))
    plain, weighted = (cell_distortions(codec, picture, w) for w in (None, np.full((13, 20), 3, np.float32)))
    assert all(weighted[g][0] == pytest.approx(3 * plain[g][0]) for g in GRANULARITIES)


def test_bands_of_rows_change_nothing(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    picture, other = codec.analyse(random_picture(100, 70, seed=1)), random_picture(100, 70, seed=2)
    whole = distortions(picture, other)
    monkeypatch.setattr(module, "_ROWS_AT_A_TIME", 2)
    assert np.array_equal(distortions(picture, other), whole)
