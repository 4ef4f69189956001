"""Several processes and pictures that exceed the memory: each process reads shards of its own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.processes import Program
from tests.shard_files import write_shard
from tests.training import own_windows

SIDE = 160
MEMORY_MB = 2
"""A shard takes 0.92 MB, so that one of them is a window of each process."""


def write_noise(folder: Path, shards: int) -> Path:
    generator = np.random.default_rng(0)
    folder.mkdir()
    for shard in range(shards):
        members = []
        for i in range(12):
            file = folder / "one.webp"
            Image.fromarray(generator.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(file, quality=1)
            members.append((f"s{shard}-{i}.webp", file.read_bytes()))
        write_shard(folder / f"{shard}.tar", members)
    (folder / "one.webp").unlink()
    return folder


def run_processes(folder: Path, out: Path, memory_mb: int, processes: int = 2) -> list[dict[str, Any]]:
    """What each process saw."""
    out.mkdir()
    words = (processes, memory_mb, str(folder), str(out))
    started = [Program(own_windows.main, rank, *words) for rank in range(processes)]
    for process in started:
        _, said = process.communicate()
        assert process.returncode == 0, said
    return [json.loads((out / f"{rank}.json").read_text()) for rank in range(processes)]


def test_no_shard_is_read_by_two_processes(tmp_path: Path) -> None:
    folder = write_noise(tmp_path / "shards", 8)
    first, second = run_processes(folder, tmp_path / "out", MEMORY_MB)
    everything = {f"s{shard}-0.webp" for shard in range(8)}
    windows = [names for pair in zip(first["windows"], second["windows"], strict=True) for names in pair]
    # Four windows of one shard for each process: each of the eight shards is in one of them.
    assert [len(names) for names in windows] == [1] * 8
    assert {name for names in windows for name in names} == everything
    for one in (first, second):
        assert one["streamed"]
        assert set(one["shapes"][0]) == {2, 3, 32}
        assert one["same_later"]
        # 24 batches of 4 are half a window of 2 x 12 pictures, 8 crops each: the first is read, and the next ahead.
        assert set(one["read"]) <= {name for names in one["windows"][:2] for name in names}
    assert not set(first["read"]) & set(second["read"])
    assert not set(first["batches"]) & set(second["batches"])


def test_pictures_that_fit_are_held_by_every_process(tmp_path: Path) -> None:
    folder = write_noise(tmp_path / "shards", 2)
    for one in run_processes(folder, tmp_path / "out", 100):
        assert not one["streamed"]
        assert one["shapes"][0] == [2, 3, 32, 32]
        assert sorted(set(one["read"])) == ["s0-0.webp", "s1-0.webp"]


def test_fewer_shards_than_processes_are_refused_where_they_are_streamed(tmp_path: Path) -> None:
    folder = write_noise(tmp_path / "shards", 2)
    for one in run_processes(folder, tmp_path / "out", 1, processes=3):
        assert one["error"].startswith("2 shards cannot be shared by 3 processes")
        assert "at least 3 shards" in one["error"]
