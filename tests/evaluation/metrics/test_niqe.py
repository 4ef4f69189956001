"""NIQE: the reference value, what it is for, and its parameters."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from hvqcgic.evaluation.metrics import MetricOptions, MetricUnavailable, NotMeasurable, Picture
from hvqcgic.evaluation.metrics import natural_statistics as statistics
from hvqcgic.evaluation.metrics.niqe import BUNDLED, Niqe, read_parameters

PHOTOGRAPH = data.coffee()


def niqe(pixels: np.ndarray, options: MetricOptions | None = None) -> float:
    picture = Picture(pixels)
    return Niqe(options or MetricOptions()).measure(picture, picture)


def test_the_reference_value(shared: Path) -> None:
    pixels = np.asarray(Image.open(shared / "fixtures/niqe/baboon.png").convert("RGB"))
    options = MetricOptions(niqe_parameters=shared / "weights/niqe_pris_params.npz")
    assert niqe(pixels, options) == pytest.approx(5.7296, abs=2e-4)


def test_damage_shows() -> None:
    buffer = io.BytesIO()
    Image.fromarray(PHOTOGRAPH).save(buffer, "JPEG", quality=5)
    coarse = np.asarray(Image.open(buffer))
    noisy = np.clip(PHOTOGRAPH + np.random.default_rng(0).normal(0, 30, PHOTOGRAPH.shape), 0, 255).astype(np.uint8)
    assert niqe(PHOTOGRAPH) + 1 < min(niqe(coarse), niqe(noisy))


@pytest.mark.parametrize(
    ("pixels", "words"),
    [(PHOTOGRAPH[:100, :150], "two blocks of 96 x 96 px"), (np.full((200, 200, 3), 90, np.uint8), "flat")],
)
def test_small_and_flat_pictures_have_none(pixels: np.ndarray, words: str) -> None:
    with pytest.raises(NotMeasurable, match=words):
        niqe(pixels)


def test_halving_keeps_constants_and_straight_lines() -> None:
    line = np.arange(40.0)[None] + np.zeros((24, 1))
    half = statistics.halved(line)
    assert half.shape == (12, 20)
    assert half[:, 2:-2] == pytest.approx(np.broadcast_to(np.arange(20) * 2 + 0.5, (12, 20))[:, 2:-2])
    assert statistics.halved(np.full((8, 8), 7.0)) == pytest.approx(np.full((4, 4), 7.0))


def test_the_shape_of_a_normal_distribution_is_found() -> None:
    values = np.random.default_rng(0).normal(0, 2, (400, 400))
    shape, left, right = statistics._asymmetric_gaussian(values)
    assert shape == pytest.approx(2, abs=0.03)
    assert (left, right) == pytest.approx((2 * np.sqrt(2),) * 2, rel=0.02)


def test_the_version_is_that_of_the_parameters(tmp_path: Path) -> None:
    model = read_parameters(BUNDLED)
    other = tmp_path / "other.npz"
    np.savez(other, mu_pris_param=model.mean + 0.1, cov_pris_param=model.covariance)
    assert Niqe(MetricOptions()).version != Niqe(MetricOptions(niqe_parameters=other)).version
    assert niqe(PHOTOGRAPH) != niqe(PHOTOGRAPH, MetricOptions(niqe_parameters=other))


@pytest.mark.parametrize("content", [None, b"no archive", "shapes"])
def test_what_is_no_parameters_is_named(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "p.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        np.savez(path, mu_pris_param=np.zeros(3), cov_pris_param=np.zeros((3, 3)))
    with pytest.raises(MetricUnavailable, match=r"p\.npz"):
        read_parameters(path)
