"""Distortions of cells: what is counted, and what one decoding tells of three."""

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.codec.codec import Codec
from hvqcgic.models import Ratios
from hvqcgic.rate_control import cell_distortions as module
from hvqcgic.rate_control.cell_distortions import CONTRAST_WEIGHT, cell_distortions, distortions
from tests.random_model import random_picture

Pixels = NDArray[np.uint8]
UNIFORM: dict[str, Ratios] = {"coarse": (0.0, 0.0, 1.0), "medium": (0.0, 1.0, 0.0), "fine": (1.0, 0.0, 0.0)}


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
    whole, predictors = distortions(picture, other), module._predictors(picture)
    monkeypatch.setattr(module, "_ROWS_AT_A_TIME", 2)
    assert np.array_equal(distortions(picture, other), whole)
    assert np.array_equal(module._predictors(picture), predictors)


def test_one_decoding_tells_about_what_three_tell(tiny: Codec) -> None:
    picture = tiny.analyse(data.cat())
    assert picture.grid[0] * picture.grid[1] >= module.FEWEST_SQUARES
    decodings, estimated = [], module._estimated(tiny, picture)
    for granularity in GRANULARITIES:
        masks = tiny.order_cells(picture, UNIFORM[granularity])
        decodings.append(distortions(picture, np.asarray(tiny.reconstruct(tiny.quantise(picture, masks)))))
        related = np.corrcoef(np.log(decodings[-1] + 300).ravel(), np.log(estimated[granularity] + 300).ravel())[0, 1]
        assert related > 0.85
    gains = decodings[1] - decodings[2], estimated["medium"] - estimated["fine"]
    assert np.corrcoef(gains[0].ravel(), gains[1].ravel())[0, 1] > 0.6


@pytest.mark.parametrize(("size", "times"), [((320, 448), 1), ((64, 64), 3)])
def test_large_pictures_are_decoded_once(
    codec: Codec, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], times: int
) -> None:
    picture, masks = codec.analyse(random_picture(*size, seed=3)), []
    decoded = module._decoded
    monkeypatch.setattr(module, "_decoded", lambda *given: (masks.append(given[2]), decoded(*given))[1])
    found = cell_distortions(codec, picture)
    assert len(masks) == times
    assert all(np.isfinite(found[g]).all() for g in GRANULARITIES)


def test_even_pictures_have_distortions_too(codec: Codec) -> None:
    found = cell_distortions(codec, codec.analyse(np.full((400, 400, 3), 120, np.uint8)))
    assert all(np.isfinite(found[g]).all() for g in GRANULARITIES)
