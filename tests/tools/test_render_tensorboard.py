"""TensorBoard as a newcomer sees it, in a real browser."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqcgic.training.charts import RESULTS, ChartLogger, add_hparams, training_params
from hvqcgic.training.config import TrainingConfig
from tools import render_tensorboard
from tools.browser import find_chromium

COLOURS = {"adaptive": "12b5cb", "static-arithmetic": "e52592", "static-huffman": "f9ab00"}
"""TensorBoard's colours of the second to the fourth group of runs."""

needs_chromium = pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed")


def write_training(folder: Path, lmbda: float) -> None:
    """Charts of two stages, as a training writes them."""
    for stage in ("hyperprior", "joint"):
        logger = ChartLogger(folder, stage)
        options = TrainingConfig(lmbda=lmbda)
        add_hparams(logger.experiment, logger.log_dir, training_params(options, stage, (0.5, 0.4, 0.1)), RESULTS)
        for step in range(0, 100, 20):
            values = {"file/adaptive_bpp": 0.2 - lmbda, "file/static_arithmetic_bpp": 0.3}
            values |= {"file/static_huffman_bpp": 0.35, "file/saving_percent": 30 + lmbda, "file/z_percent": 1.0}
            logger.log_metrics({**values, "val/lpips": 0.1, "val/psnr_db": 26.0}, step)
        logger.finalize("success")


def count(path: Path, colour: str) -> int:
    """Number of pixels of a colour."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    return int((pixels == tuple(bytes.fromhex(colour))).all(-1).sum())


@needs_chromium
@pytest.mark.slow
def test_lines_have_their_colours_and_the_trainings_their_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for lmbda in (0.01, 0.08):
        write_training(tmp_path / f"runs/{lmbda}", lmbda)
    assert render_tensorboard.main([str(tmp_path / "runs"), "--out", str(tmp_path / "shots")]) == 0
    shots = [tmp_path / "shots" / name for name in ("time-series.png", "table.png", "parallel.png")]
    assert capsys.readouterr().out.split() == [str(path) for path in shots]
    # A dot in the list of runs and one in the legend of a chart have fewer pixels.
    assert {coding: count(shots[0], colour) > 500 for coding, colour in COLOURS.items()} == dict.fromkeys(COLOURS, True)
    assert len({path.read_bytes() for path in shots}) == 3


def test_a_machine_without_chromium_is_told_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert render_tensorboard.main([str(tmp_path), "--out", str(tmp_path / "shots")]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "render_tensorboard: no Chromium is installed; Debian's package chromium has it"
    ]
    assert not (tmp_path / "shots").exists()


@needs_chromium
def test_a_folder_without_charts_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render_tensorboard.main([str(tmp_path), "--out", str(tmp_path / "shots")]) == 2
    assert "no TensorBoard files there" in capsys.readouterr().err
    assert not (tmp_path / "shots").exists()
