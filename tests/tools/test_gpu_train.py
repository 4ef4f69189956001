"""Two steps of the GPU training on the CPU: packed, trained, left in pieces, resumed from them."""

import importlib.util
import io
import os
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hvqcgic.perceptual import weights_path
from tests.processes import run_module

ROOT = Path(__file__).parents[2]
OPTIONS = [
    "--stage=backbone",
    "--perceptual=none",
    "--accelerator=cpu",
    "--threads=1",
    "--pictures.crop_px=32",
    "--pictures.batch_size=2",
    "--training.validation_pictures=1",
]


def run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT)} | environment
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, env=settings, check=False)


def pack(folder: Path, pictures: Path, *options: object) -> int:
    spec = importlib.util.spec_from_file_location("pack_gpu_training", ROOT / "tools" / "pack_gpu_training.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    data = ("--data", pictures, "--val", pictures, "--no-wheels", "--perceptual")
    return tool.main([str(part) for part in (folder, *data, *options)])


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with one shard of four pictures, and one picture to validate on."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    generator = np.random.default_rng(0)
    with tarfile.open(folder / "train-000.tar", "w") as tar:
        for i in range(4):
            buffer = io.BytesIO()
            Image.fromarray(generator.integers(0, 256, (48, 64, 3), np.uint8)).save(buffer, "PNG")
            add_member(tar, f"{i}.png", buffer.getvalue())
    Image.fromarray(generator.integers(0, 256, (48, 64, 3), np.uint8)).save(folder / "val.png")
    return folder


def unpack(out: Path, target: Path) -> dict[str, Any]:
    """Join the pieces and read the checkpoint."""
    pieces = sorted(out.glob("run.tar.*"))
    assert pieces
    assert all(piece.stat().st_size <= 16 * 10**6 for piece in pieces)
    with tarfile.open(fileobj=io.BytesIO(b"".join(piece.read_bytes() for piece in pieces))) as tar:
        tar.extractall(target, filter="data")
    assert list(target.rglob("events.out.tfevents.*"))
    assert (target / "run" / "train.log").is_file()
    return torch.load(target / "run" / "backbone.ckpt", weights_only=False)


@pytest.mark.slow
def test_two_steps_on_the_cpu_and_two_more_from_the_pieces(pictures: Path, tmp_path: Path) -> None:
    script = ROOT / "tools" / "gpu_train.sh"
    assert pack(tmp_path / "first", pictures) == 0
    done = run(script, tmp_path / "first", 5, tmp_path / "out", *OPTIONS, "--training.steps=2", KEEP_OPTIMISER="0")
    assert done.returncode == 0, done.stdout + done.stderr
    first = unpack(tmp_path / "out", tmp_path / "one")
    assert (first["step_index"], first["optimizer_states"]) == (2, [])

    assert pack(tmp_path / "second", pictures, "--resume", tmp_path / "out") == 0
    done = run(script, tmp_path / "second", 5, tmp_path / "out", *OPTIONS, "--training.steps=4")
    assert done.returncode == 0, done.stdout + done.stderr
    second = unpack(tmp_path / "out", tmp_path / "two")
    assert second["step_index"] == 4
    assert second["optimizer_states"]


def test_a_training_that_is_refused_fails_with_its_own_code(pictures: Path, tmp_path: Path) -> None:
    refused = run_module("hvqcgic.train", "--data", pictures, *OPTIONS, "--pictures.crop_px=20")
    assert refused.returncode == 2
    assert "crop_px is 20" in refused.stderr
    # The same from an interpreter that takes no time to start.
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho {shlex.quote(refused.stderr)} >&2\nexit 2\n")
    python.chmod(0o755)
    assert pack(tmp_path / "gpu", pictures) == 0
    script = ROOT / "tools" / "gpu_train.sh"
    done = run(script, tmp_path / "gpu", 5, tmp_path / "out", *OPTIONS, PYTHON=str(python))
    assert done.returncode == 2
    assert "crop_px is 20" in done.stdout
    assert "the training failed with code 2" in done.stderr


@pytest.mark.parametrize("resumed", [False, True], ids=["fresh", "resumed"])
def test_a_time_too_short_for_one_step_fails_and_leaves_earlier_pieces(
    pictures: Path, tmp_path: Path, resumed: bool
) -> None:
    (tmp_path / "out").mkdir()
    with tarfile.open(tmp_path / "out" / "run.tar.00", "w") as tar:
        add_member(tar, "run/backbone.ckpt", b"an earlier training")
    before = (tmp_path / "out" / "run.tar.00").read_bytes()
    assert pack(tmp_path / "gpu", pictures, *(["--resume", tmp_path / "out"] if resumed else [])) == 0
    done = run(ROOT / "tools" / "gpu_train.sh", tmp_path / "gpu", 0.005, tmp_path / "out", *OPTIONS)
    assert done.returncode == 124
    assert done.stderr.splitlines()[-1].startswith("gpu_train: 0.005 minutes were up before the first step was taken")
    assert (tmp_path / "out" / "run.tar.00").read_bytes() == before


def add_member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def test_weights_of_each_named_network_are_packed_and_missing_ones_are_refused(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    hub = tmp_path / "cache" / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    named = [weights_path(net).name for net in ("alex", "squeeze")]
    for name in named:
        (hub / name).write_bytes(name.encode())
    assert pack(tmp_path / "gpu", pictures, "--perceptual", "alex", "squeeze") == 0
    packed = tmp_path / "gpu" / "torch_home" / "hub" / "checkpoints"
    assert {path.name: path.read_bytes() for path in packed.iterdir()} == {name: name.encode() for name in named}
    capsys.readouterr()
    assert pack(tmp_path / "none", pictures, "--perceptual", "alex", "vgg") == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert str(weights_path("vgg")) in message


def test_a_folder_that_was_not_packed_is_refused(tmp_path: Path) -> None:
    done = run(ROOT / "tools" / "gpu_train.sh", tmp_path, 5, tmp_path / "out")
    assert done.returncode == 2
    assert "pack_gpu_training.py" in done.stderr


def test_shards_beyond_the_limit_are_left_out_and_none_is_refused(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with tarfile.open(pictures / "train-001.tar", "w") as tar:
        info = tarfile.TarInfo("large.png")
        info.size = 2_000_000
        tar.addfile(info, io.BytesIO(bytes(info.size)))
    assert pack(tmp_path / "gpu", pictures, "--limit-mb", 1) == 0
    assert "1 training shards, 1 left out" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "gpu" / "pictures" / "train").iterdir()] == ["train-000.tar"]
    (pictures / "train-000.tar").unlink()
    assert pack(tmp_path / "none", pictures, "--limit-mb", 1) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "no shard fits" in message
