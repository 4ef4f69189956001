import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hvqcgic.codec.codec import Codec, load
from tests.random_reverse import model_with_reverse
from tools.bench_codec import Bench, main, show
from tools.bench_rivals import control_gic, make_rival

PIXELS: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


def test_stages_sum_to_the_whole_and_others_are_compared(codec: Codec, capsys: pytest.CaptureFixture[str]) -> None:
    rivals = [make_rival("jpeg", PIXELS, (32, 32)), make_rival("mbt2018-mean", PIXELS, (32, 32))]
    report = Bench(codec, PIXELS, rivals, 1, 1, time.process_time).run("small")
    for seconds in (report.compress, report.decompress):
        stages = [spent for stage, spent in seconds.items() if stage != "whole"]
        assert min(stages) >= 0
        assert sum(stages) == pytest.approx(seconds["whole"], rel=1e-6)
        assert {"context networks", "index prior", "range coder"} <= set(seconds)
    assert "features" in report.compress
    assert "picture network" in report.decompress
    assert [other.name for other in report.others] == ["jpeg", "mbt2018-mean"]
    assert report.others[1].pixels == "64 x 64"
    show(report)
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("compress: small, 96 x 64", "entropy coding in all", "mbt2018-mean"))


def test_ratios_count_pixels(codec: Codec) -> None:
    rival = control_gic(PIXELS, (32, 48), width=32)
    assert rival.pixels.shape == (32, 48, 3)
    report = Bench(codec, PIXELS, [rival], 1, 1, time.process_time).run("small")
    (other,) = report.others
    assert other.compress_ratio == pytest.approx(4 * other.compress / report.compress["whole"])
    assert other.decompress_ratio == pytest.approx(4 * other.decompress / report.decompress["whole"])


def test_steps_back_are_a_stage_of_their_own(tiny_model_path: Path, tmp_path: Path) -> None:
    codec = load(model_with_reverse(tiny_model_path, tmp_path), "cpu")
    report = Bench(codec, PIXELS, [], 1, 1, time.process_time, steps=2).run("small")
    assert report.decompress["reverse network"] > 0
    assert report.decompress["picture network"] > 0
    stages = [spent for stage, spent in report.decompress.items() if stage != "whole"]
    assert sum(stages) == pytest.approx(report.decompress["whole"], rel=1e-6)


def test_a_folder_in_place_of_a_picture_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--against"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"bench_codec: {tmp_path}: is a folder")
    assert told.count("\n") == 1
