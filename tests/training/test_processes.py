"""Two processes train as one does with the whole batch."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hvqcgic.errors import ConfigError
from hvqcgic.training import processes
from hvqcgic.training.processes import Processes, first_console, is_first
from hvqcgic.training.ranks import gather_parts, mean_over_all, own_share
from hvqcgic.training.stages import Machine, run_stage
from tests.processes import run_module
from tests.training.small_training import Pictures, module, saved, settings

WITHOUT_GPUS = {"CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture(scope="module")
def runs(picture_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Folders of the same training by one and by two processes."""
    folders = {count: tmp_path_factory.mktemp(f"processes{count}") for count in (1, 2)}
    for count, folder in folders.items():
        done = run_module("tests.training.together", picture_folder, folder, count, environment=WITHOUT_GPUS)
        assert done.returncode == 0, done.stderr
    return folders


def noted(runs: dict[int, Path], stage: str) -> list[dict[str, Any]]:
    """What the single process saw, then what each of the two did."""
    names = [(1, 0), (2, 0), (2, 1)]
    found = [json.loads((runs[count] / f"{stage}-{rank}.json").read_text()) for count, rank in names]
    assert [one["size"] for one in found] == [1, 2, 2]
    return found


@pytest.mark.parametrize("stage", ["backbone", "joint"])
def test_each_process_sees_half_of_every_batch(runs: dict[int, Path], stage: str) -> None:
    alone, first, second = noted(runs, stage)
    for whole, *halves in zip(alone["sums"], first["sums"], second["sums"], strict=True):
        assert sum(halves) == pytest.approx(whole, rel=1e-9)
        assert halves[0] != halves[1]


def test_two_processes_train_as_one(runs: dict[int, Path]) -> None:
    # Stage backbone draws no noise: start and revival of codes, counts, losses and weights are those of one process.
    alone, first, second = noted(runs, "backbone")
    assert first["losses"] == second["losses"] == pytest.approx(alone["losses"], rel=1e-5)
    one, two = (saved(runs[count] / "backbone.ckpt")["state_dict"] for count in (1, 2))
    assert largest_difference(one, two) < 1e-4
    assert torch.equal(one["model.quantiser.usage"], two["model.quantiser.usage"])


def test_processes_differ_in_the_noise_on_hyper_latents_alone(runs: dict[int, Path]) -> None:
    alone, first, second = noted(runs, "joint")
    assert first["losses"] == second["losses"] == pytest.approx(alone["losses"], rel=2e-2)
    one, two = (saved(runs[count] / "joint.ckpt")["state_dict"]["model.quantiser.usage"].sum() for count in (1, 2))
    assert float(two) == pytest.approx(float(one), rel=1e-6)
    assert float(one) > 0


def largest_difference(one: dict[str, Tensor], two: dict[str, Tensor]) -> float:
    return max(float((one[name].double() - two[name].double()).abs().max()) for name in one if one[name].numel())


def test_torchrun_writes_one_report_and_one_checkpoint(picture_folder: Path, tmp_path: Path) -> None:
    options = "--stage backbone --perceptual none --training.steps 2 --training.codebook_start 1 --accelerator cpu"
    small = "--pictures.crop_px 64 --pictures.batch_size 2 --pictures.val_pictures 1 --threads 1"
    done = run_module(
        *("torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "hvqcgic.train"),
        *(*options.split(), *small.split(), "--data", picture_folder, "--out", tmp_path, "--trainer.devices", "2"),
        environment=WITHOUT_GPUS,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "backbone.ckpt")]
    assert done.stderr.count("took ") == 1
    assert saved(tmp_path / "backbone.ckpt")["step_index"] == 2
    assert len(list((tmp_path / "backbone").glob("events.*"))) == 1


def test_a_batch_that_cannot_be_shared_evenly_is_refused(picture_folder: Path, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "out", "cpu", processes=Processes(2))
    with pytest.raises(ConfigError, match=r"batch_size is 3, which 2 processes cannot share evenly; use a multiple"):
        run_stage(module("backbone", settings()), Pictures(picture_folder, batch_size=3), machine)
    assert not machine.folder.exists()


def test_less_than_one_process_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--trainer.devices is 0; use at least 1"):
        Processes(0)
    with pytest.raises(ConfigError, match=r"--trainer.num_nodes is -1; use at least 1"):
        Processes(1, -1)


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "2", "LOCAL_RANK": "0"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
        ({"LOCAL_RANK": "1", "NODE_RANK": "0"}, False),
        ({"SLURM_PROCID": "3"}, False),
    ],
)
def test_only_the_first_process_speaks(
    environment: dict[str, str], first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_first() is first
    assert first_console().quiet is not first


def test_a_single_process_needs_no_group() -> None:
    values = torch.rand(5)
    assert own_share(5) == slice(0, 5)
    assert mean_over_all(values) == values.mean()
    assert torch.equal(gather_parts([values[:2], values[2:2], values[2:]]), values)


@pytest.mark.parametrize(("multiplies", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_auto_is_what_the_processor_multiplies(
    monkeypatch: pytest.MonkeyPatch, multiplies: bool, expected: str
) -> None:
    monkeypatch.setattr(processes, "processor_multiplies_bf16", lambda: multiplies)
    assert processes.lightning_precision("auto", "cpu", Processes()) == expected
    assert processes.lightning_precision("auto", "cuda", Processes()) == "32-true"
    assert processes.lightning_precision("auto", "cpu", Processes(num_nodes=2)) == "32-true"
    assert processes.lightning_precision("16-mixed", "cpu", Processes()) == "16-mixed"
