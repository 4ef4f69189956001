"""The bench of memory, on pictures so small that it is quick."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_calls import save_picture
from tools.bench_memory import lay

ROOT = Path(__file__).parents[2]


def test_pictures_of_the_wanted_size_without_a_gap(tmp_path: Path) -> None:
    stones = [save_picture(tmp_path / f"{seed}.png", seed=seed, size=(60 + seed, 50)) for seed in (1, 2)]
    for pictures in (stones, []):
        laid = lay(pictures, 0.06)
        assert laid.size == (300, 200)
        assert all(band.histogram()[0] < 3000 for band in laid.split())


def test_a_line_for_each_run(tmp_path: Path, tiny_model_path: Path) -> None:
    command = [sys.executable, "-m", "tools.bench_memory", save_picture(tmp_path / "x.png", seed=1)]
    command += ["--megapixels", "0.03", "--model", tiny_model_path, "--tile", "144", "--threads", "1", "--json"]
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=True)
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    assert [run["way"] for run in runs] == ["compress", "decompress"]
    for found in runs:
        assert found["megapixels"] == pytest.approx(0.03, rel=0.02)
        assert found["seconds"] > 0
        assert 50 < found["loaded_mb"] < found["peak_mb"] < 2000


def test_a_folder_without_pictures_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.bench_memory", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "no pictures in this folder" in done.stderr
