"""FID, KID and Inception Score: patches, and statistics with a feature extractor of our own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import Tensor

from hvqcgic.evaluation.metrics import MetricUnavailable
from hvqcgic.evaluation.metrics.sets import Features, compare, extract, load_inception, patches
from hvqcgic.perceptual.weights_cache import cached_path


def test_kodak_gives_192_patches() -> None:
    counts = [len(patches(np.zeros((height, width, 3), np.uint8))) for height, width in [(512, 768), (768, 512)]]
    assert counts == [8, 8]
    assert 24 * counts[0] == 192


def test_patches_are_parts_of_the_picture_on_both_grids() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (520, 700, 3), dtype=np.uint8)
    found = patches(pixels)
    places = [(0, 0), (0, 256), (256, 0), (256, 256), (128, 128), (128, 384)]
    assert len(found) == len(places)
    for patch, (row, column) in zip(found, places, strict=True):
        assert np.array_equal(patch.permute(1, 2, 0).numpy(), pixels[row : row + 256, column : column + 256])


def test_a_small_picture_has_none() -> None:
    assert len(patches(np.zeros((255, 800, 3), np.uint8))) == 0


def colours(batch: Tensor) -> tuple[Tensor, Tensor]:
    """Mean colours as features, and logits that tell which is strongest."""
    means = batch.float().mean((2, 3)) / 255
    return means, means * 20


def test_features_are_taken_patch_by_patch() -> None:
    dark, light = np.zeros((300, 600, 3), np.uint8), np.full((256, 256, 3), 255, np.uint8)
    found = extract([dark, light, np.zeros((9, 9, 3), np.uint8)], colours)
    assert found.features.tolist() == [[0, 0, 0]] * 2 + [[1, 1, 1]]
    assert found.logits.shape == (3, 3)


def drawn(seed: int, shift: float = 0) -> Features:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(120, 5, generator=generator) + shift
    return Features(features, 3 * torch.randn(120, 7, generator=generator))


def test_fid_is_the_distance_of_two_gaussians() -> None:
    one, other = drawn(0), drawn(1, shift=0.7)
    a, b = (entry.features.double().numpy() for entry in (one, other))
    root = linalg.sqrtm(np.cov(a, rowvar=False) @ np.cov(b, rowvar=False))
    spread = np.trace(np.cov(a, rowvar=False) + np.cov(b, rowvar=False) - 2 * np.real(root))
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + spread
    assert compare(one, other)["fid"] == pytest.approx(expected, rel=1e-4)


def test_equal_sets_are_near_and_moved_ones_far() -> None:
    same, near, far = (compare(drawn(0), other) for other in (drawn(0), drawn(1), drawn(1, shift=1)))
    assert same["fid"] == pytest.approx(0, abs=1e-4)
    assert same["fid"] < near["fid"] < far["fid"]
    assert abs(near["kid"]) < far["kid"]


def test_the_score_counts_classes_that_are_sure_and_many() -> None:
    one_hot = torch.eye(7).repeat(20, 1)
    sure = compare(drawn(0), Features(torch.randn(140, 5, generator=torch.Generator().manual_seed(3)), 100 * one_hot))
    blank = compare(drawn(0), Features(drawn(1).features, torch.zeros(120, 7)))
    assert blank["inception_score"] == pytest.approx(1)
    assert 5 < sure["inception_score"] <= 7


def test_figures_are_the_same_every_time_and_leave_the_generator_alone() -> None:
    before = torch.random.get_rng_state()
    assert compare(drawn(0), drawn(1)) == compare(drawn(0), drawn(1))
    assert torch.equal(before, torch.random.get_rng_state())


def test_few_patches_say_nothing() -> None:
    few = Features(torch.zeros(19, 4), torch.zeros(19, 4))
    with pytest.raises(MetricUnavailable, match="19 patches of 256 x 256 px, at least 20"):
        compare(few, few)


@pytest.mark.slow
def test_the_network_is_loaded_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

    class Untrained(FeatureExtractorInceptionV3):
        def load_state_dict(self, *_: object, **__: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
            """Keep the weights it starts from."""

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = cached_path(URL_INCEPTION_V3)
    path.parent.mkdir(parents=True)
    torch.save({}, path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Untrained("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path))
    torch.save(network.state_dict(), path)
    found = extract([np.random.default_rng(0).integers(0, 256, (256, 512, 3), dtype=np.uint8)], load_inception("cpu"))
    assert found.features.shape == (2, 2048)
    assert found.logits.shape == (2, 1008)
    assert bool(found.features.isfinite().all())


def test_without_the_network_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no net here")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(MetricUnavailable, match=r"no Inception weights there and no download \(no net here\)"):
        load_inception("cpu")
