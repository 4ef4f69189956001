"""Metrics of pictures: published values, equal pictures, and what they say where they cannot measure."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hvqcgic.evaluation.metrics import METRICS, MetricOptions, MetricUnavailable, NotMeasurable, Picture
from hvqcgic.evaluation.metrics.perceptual import half_pixel_shift, rescale
from hvqcgic.perceptual.lpips import weights_path
from tests.random_model import random_picture

OPTIONS = MetricOptions()
PICTURE = random_picture(200, 180, seed=1)


def need(net: str) -> None:
    if not weights_path(net).is_file():
        pytest.skip(f"{weights_path(net)} is not there: backbone weights that this test needs (set TORCH_HOME)")


def read(path: Path, *, keeps: bool = False) -> Picture:
    return Picture(np.asarray(Image.open(path).convert("RGB")), keeps=keeps)


@pytest.mark.parametrize(
    ("net", "values"), [("alex", (0.7219, 0.1376)), ("squeeze", (0.7111, 0.1479)), ("vgg", (0.5686, 0.4217))]
)
def test_published_values_of_lpips(shared: Path, net: str, values: tuple[float, float]) -> None:
    need(net)
    folder = shared / "fixtures/lpips"
    reference, metric = read(folder / "ex_ref.png", keeps=True), METRICS[f"lpips_{net}"](OPTIONS)
    found = [metric.measure(reference, read(folder / f"ex_{name}.png")) for name in ("p0", "p1")]
    assert found == pytest.approx(values, abs=1e-4)


def test_the_published_value_of_dists(shared: Path) -> None:
    need("vgg")
    pair = (read(shared / f"fixtures/dists/r{i}.png", keeps=i == 0) for i in (0, 1))
    reference, other = pair
    metric = METRICS["dists"](OPTIONS)
    assert [metric.measure(reference, other) for _ in range(2)] == pytest.approx([0.3347] * 2, abs=1e-4)


@pytest.mark.parametrize("name", ["lpips_alex_shift", "lpips_alex_rescale"])
def test_moved_pictures_are_measured_with_the_same_network(name: str) -> None:
    need("alex")
    other = Picture(random_picture(200, 180, seed=2))
    move = half_pixel_shift if name.endswith("shift") else rescale
    moved, plain = METRICS[name](OPTIONS), METRICS["lpips_alex"](OPTIONS)
    expected = float(plain._lpips(move(other.tensor), move(Picture(PICTURE).tensor)))  # pyright: ignore
    assert moved.measure(Picture(PICTURE), other) == pytest.approx(expected, rel=1e-5)
    assert moved.measure(Picture(PICTURE), Picture(PICTURE)) == 0


def test_a_shift_by_half_a_pixel_moves_a_ramp_by_half_a_step() -> None:
    ramp = (torch.arange(8.0)[None, :] + 10 * torch.arange(6.0)[:, None])[None, None]
    assert torch.equal(half_pixel_shift(ramp), ramp[..., :-1, :-1] + 5.5)


def test_rescaled_pictures_have_nine_tenths_of_their_sides() -> None:
    assert rescale(torch.rand(1, 3, 50, 77, generator=torch.Generator().manual_seed(0))).shape == (1, 3, 45, 69)


def test_psnr_and_ms_ssim_fall_with_noise() -> None:
    generator = np.random.default_rng(0)
    weak, strong = (
        Picture(np.clip(PICTURE + generator.normal(0, sigma, PICTURE.shape), 0, 255).astype(np.uint8))
        for sigma in (3, 20)
    )
    original = Picture(PICTURE)
    for name in ("psnr_db", "ms_ssim"):
        metric = METRICS[name](OPTIONS)
        assert metric.measure(original, weak) > metric.measure(original, strong)
    error = np.mean((weak.pixels.astype(float) - PICTURE) ** 2)
    expected = 10 * np.log10(255**2 / error)
    assert METRICS["psnr_db"](OPTIONS).measure(original, weak) == pytest.approx(expected, abs=1e-3)
    assert METRICS["ms_ssim"](OPTIONS).measure(original, original) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [("ms_ssim", (160, 300), "161 px"), ("psnr_db", (40, 40), "infinite"), ("lpips_alex", (31, 100), "32 px")],
)
def test_what_cannot_be_measured_says_why(name: str, size: tuple[int, int], words: str) -> None:
    if name.startswith("lpips"):
        need("alex")
    picture = Picture(random_picture(*size, seed=0))
    with pytest.raises(NotMeasurable, match=words):
        METRICS[name](OPTIONS).measure(picture, picture)


@pytest.mark.parametrize("name", ["lpips_vgg", "dists"])
def test_missing_weights_are_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no net here")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(MetricUnavailable, match="no net here") as caught:
        METRICS[name](MetricOptions(device="cpu:0"))
    assert "vgg16-397923af.pth" in str(caught.value)


def test_optional_metrics_name_their_package() -> None:
    try:
        import pyiqa  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        with pytest.raises(MetricUnavailable, match="non-commercial"):
            METRICS["clipiqa"](OPTIONS)
    else:
        pytest.skip("pyiqa is installed")


def test_only_originals_keep_what_was_made_of_them() -> None:
    calls: list[str] = []
    for keeps in (True, False):
        picture = Picture(PICTURE, keeps=keeps)
        for _ in range(2):
            picture.remember("key", lambda: calls.append("made"))
    assert len(calls) == 3
