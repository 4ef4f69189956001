"""LPIPS: published values, silence, and one clear line where weights are missing."""

import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hvqcgic.errors import ConfigError
from hvqcgic.perceptual import lpips as perceptual
from hvqcgic.perceptual.lpips import WEIGHT_FILES, load_lpips, weights_path
from hvqcgic.perceptual.weights_cache import WeightsMissing


@pytest.fixture
def loaded(request: pytest.FixtureRequest) -> perceptual.Lpips:
    net = getattr(request, "param", "alex")
    if not weights_path(net).is_file():
        pytest.skip(f"{weights_path(net)} is not there: LPIPS backbone weights that this test needs (set TORCH_HOME)")
    return load_lpips(net)


def read(path: Path) -> Tensor:
    return torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).copy()).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize(
    ("loaded", "values"),
    [("alex", (0.7219, 0.1376)), ("squeeze", (0.7111, 0.1479)), ("vgg", (0.5686, 0.4217))],
    indirect=["loaded"],
)
def test_published_values(loaded: perceptual.Lpips, values: tuple[float, float], shared: Path) -> None:
    reference, far, near = (read(shared / "fixtures/lpips" / f"ex_{name}.png") for name in ("ref", "p0", "p1"))
    found = loaded(torch.cat([far, near]), torch.cat([reference, reference]))
    assert found.shape == (2,)
    assert found.tolist() == pytest.approx(values, abs=1e-4)


@pytest.mark.parametrize("loaded", ["alex", "squeeze"], indirect=True)
def test_half_precision_in_a_training_keeps_small_distances_and_their_gradient(
    loaded: perceptual.Lpips, shared: Path
) -> None:
    reference = read(shared / "fixtures/lpips" / "ex_ref.png")
    decoded = (reference + 0.03 * torch.randn(reference.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    gradients, distances = [], []
    for half in (False, True):
        given = decoded.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            distances.append(loaded(given, reference))
        gradients.append(*torch.autograd.grad(distances[-1].sum(), given))
    assert distances[1].dtype == torch.float32
    assert distances[1].item() == pytest.approx(distances[0].item(), rel=0.03)
    assert distances[1].item() != distances[0].item()
    assert torch.cosine_similarity(*(gradient.flatten() for gradient in gradients), dim=0) > 0.95


def test_it_is_frozen_and_stays_in_evaluation_mode(loaded: perceptual.Lpips) -> None:
    torch.nn.Sequential(loaded).train()
    assert not any(module.training for module in loaded.modules())
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_gradients_are_finite_even_on_a_black_picture(loaded: perceptual.Lpips) -> None:
    picture = torch.zeros(2, 3, 64, 64, requires_grad=True)
    distance = loaded(picture, torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    distance.sum().backward()
    assert picture.grad is not None
    assert bool(picture.grad.isfinite().all())
    assert float(picture.grad.abs().sum()) > 0
    assert loaded(picture, picture).tolist() == [0, 0]


def test_pictures_too_small_for_the_network_are_refused(loaded: perceptual.Lpips) -> None:
    with pytest.raises(ConfigError, match="16x40 px picture: needs sides of at least 32 px"):
        loaded(torch.zeros(1, 3, 40, 16), torch.zeros(1, 3, 40, 16))


def test_loading_prints_nothing(loaded: perceptual.Lpips, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    load_lpips("alex")
    assert capfd.readouterr() == ("", "")


def test_missing_weights_are_one_line_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no net here")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(WeightsMissing) as caught:
        load_lpips("alex")
    text = str(caught.value)
    assert "\n" not in text
    for part in (str(tmp_path), WEIGHT_FILES["alex"], "TORCH_HOME", "no net here"):
        assert part in text


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 cut off"])
def test_damaged_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = weights_path("squeeze")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(WeightsMissing, match="not usable as LPIPS backbone") as caught:
        load_lpips("squeeze")
    assert "\n" not in str(caught.value)


def test_an_unknown_network_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'resnet' is unknown; use one of alex, vgg, squeeze"):
        load_lpips("resnet")
