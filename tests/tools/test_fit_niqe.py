"""Estimating NIQE's model of pristine pictures."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from hvqcgic.evaluation.metrics import natural_statistics as statistics
from hvqcgic.evaluation.metrics.niqe import read_parameters
from tools.fit_niqe import main


def test_it_writes_the_statistics_of_the_sharp_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, pixels in (("a", data.coffee()), ("b", data.astronaut()), ("c", data.astronaut()[:90, :90])):
        Image.fromarray(pixels).save(pictures / f"{name}.png")
    monkeypatch.setattr(sys, "argv", ["fit_niqe.py", str(pictures), "-o", str(tmp_path / "p.npz")])
    main()
    assert "of 3 pictures" in capsys.readouterr().out
    kept = []
    for pixels in (data.coffee(), data.astronaut()):
        blocks = statistics.block_features(statistics.luma(pixels))
        kept.append(blocks.values[blocks.sharpness > 0.75 * blocks.sharpness.max()])
        assert 0 < len(kept[-1]) < len(blocks.values)
    features = np.concatenate(kept)
    model = read_parameters(tmp_path / "p.npz")
    assert np.allclose(model.mean, features.mean(0))
    assert np.allclose(model.covariance, np.cov(features, rowvar=False))
