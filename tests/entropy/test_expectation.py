"""Moments of codes under frequencies."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.entropy import DecodedPicture, EntropyModel
from hvqcgic.entropy.expectation import CodeMoments, code_moments

CODEBOOK = np.array([[0, 0], [2, -4], [4, 4]], np.float32)


def decode(model: EntropyModel, picture: Any, sections: Sequence[bytes], **options: Any) -> DecodedPicture:
    h16, w16, n_coarse, n_medium = picture.grid
    return model.decode(h16, w16, n_coarse, n_medium, sections, **options)


def test_moments_of_few_codes() -> None:
    found = code_moments(np.array([[1, 1, 2], [0, 5, 0], [1, 1, 0]], np.float64), CODEBOOK)
    assert found.mean.dtype == found.deviation.dtype == np.float32
    np.testing.assert_allclose(found.mean, [[2.5, 1], [2, -4], [1, -2]])
    np.testing.assert_allclose(found.deviation, [[np.sqrt(2.75), np.sqrt(11)], [0, 0], [1, 2]], rtol=1e-6)


def test_moments_do_not_suffer_from_far_codes() -> None:
    found = code_moments(np.array([[1, 3]], np.float64) * 2.0**24, np.array([[1000.0], [1000.5]], np.float32))
    np.testing.assert_allclose(found.mean, [[1000.375]])
    np.testing.assert_allclose(found.deviation, [[0.5 * np.sqrt(3 / 16)]], rtol=1e-5)


def test_a_decoder_tells_what_the_prior_expected(make_model: Callable, make_picture: Callable) -> None:
    frozen = make_model(seed=3)
    model, picture = EntropyModel(frozen.spec, frozen.arrays), make_picture(frozen, 4, 5, (0.3, 0.5))
    codebook = np.random.default_rng(0).normal(size=(13, 3)).astype(np.float32)
    sections = model.encode(picture.masks, picture.indices, picture.z, mode="adaptive").sections
    found = decode(model, picture, sections, mode="adaptive", codebook=codebook)
    assert found.moments is not None
    blank = {g: np.full((picture.masks.count(g), 3), np.nan, np.float32) for g in GRANULARITIES}
    expected = {g: CodeMoments(blank[g].copy(), blank[g].copy()) for g in GRANULARITIES}
    for told in model.frequencies(picture.masks, picture.indices, picture.z):
        moments, own = code_moments(told.frequencies, codebook), expected[told.name.split("/")[0]]
        own.mean[told.ranks], own.deviation[told.ranks] = moments.mean, moments.deviation
    for g in GRANULARITIES:
        np.testing.assert_array_equal(found.indices[g], picture.indices[g])
        np.testing.assert_allclose(found.moments[g].mean, expected[g].mean, rtol=1e-6)
        np.testing.assert_allclose(found.moments[g].deviation, expected[g].deviation, rtol=1e-6)
    assert decode(model, picture, sections, mode="adaptive").moments is None


@pytest.mark.parametrize("mode", ["static-arithmetic", "static-huffman"])
def test_other_modes_have_no_prior(make_model: Callable, make_picture: Callable, mode: str) -> None:
    frozen = make_model(seed=3)
    model, picture = EntropyModel(frozen.spec, frozen.arrays), make_picture(frozen, 2, 2, (0.3, 0.5))
    sections = model.encode(picture.masks, picture.indices, picture.z, mode=mode).sections
    assert decode(model, picture, sections, mode=mode, codebook=np.zeros((13, 3), np.float32)).moments is None
