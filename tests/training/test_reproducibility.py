"""Trainings repeat themselves to the last bit, and one that is killed at any moment goes on as if it had not been."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hvqcgic.training.charts import CODINGS
from hvqcgic.training.config import Stage
from hvqcgic.training.stages import Machine, run_stage
from tests.processes import Program
from tests.training.small_training import Pictures, module, saved, settings

STEPS, SAVE_EVERY, VALIDATE_EVERY = 24, 4, 10


class Trained:
    """Where a training left its checkpoint, charts and losses."""

    def __init__(self, folder: Path, stage: Stage) -> None:
        self.folder = folder
        self.stage: Stage = stage

    @property
    def losses(self) -> list[tuple[int, str]]:
        lines = (self.folder / "losses").read_text().splitlines()
        return [(int(step), loss) for step, loss in map(str.split, lines)]

    @property
    def checkpoint(self) -> dict[str, Any]:
        return saved(self.folder / f"{self.stage}.ckpt")

    @property
    def charts(self) -> dict[str, list[tuple[int, float]]]:
        found: dict[str, list[tuple[int, float]]] = {}
        for folder in sorted({path.parent for path in (self.folder / self.stage).rglob("events.*")}):
            events = EventAccumulator(str(folder)).Reload()
            for name in events.Tags()["scalars"]:
                line = f"{name} {folder.name}" if folder.name in CODINGS else name
                found[line] = [(event.step, event.value) for event in events.Scalars(name)]
        return found


def train(
    pictures: Path, folder: Path, stage: Stage, *, before_step: Callable[[int], None] = lambda step: None
) -> None:
    """Trains, or goes on where there is a checkpoint; writes down the loss of every step before the next begins."""
    torch.manual_seed(0)
    adversarial = 0.5 if stage == "joint" else 0.0
    options = settings(
        steps=STEPS,
        codebook_start=4,
        ema_decay=0.9,
        adversarial_weight=adversarial,
        rdo_choice=0.1,
        validate_every=VALIDATE_EVERY,
    )
    made = module(stage, options)
    made.model.quantiser.initialised.fill_(stage == "joint")
    folder.mkdir(exist_ok=True)
    with (folder / "losses").open("a") as file:
        plain = made.take_step

        def take_step(loss: torch.Tensor) -> None:
            file.write(f"{made.step_index} {float(loss.detach()).hex()}\n")
            file.flush()
            if before_step is not None:
                before_step(made.step_index)
            plain(loss)

        made.take_step = take_step
        run_stage(made, Pictures(pictures), Machine(folder, "cpu", resume=True, save_every=SAVE_EVERY))


def train_until_killed(pictures: Path, folder: Path, stage: Stage, when: str, threads: int) -> None:
    """Trains in a process that ends itself: in the midst of a step, or just before a checkpoint gets its name."""
    torch.set_num_threads(threads)
    plain, step = os.replace, 0

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def replace(source: str, target: Path) -> None:
        if when == "writing" and step == 11:
            kill()
        plain(source, target)

    def before_step(number: int) -> None:
        nonlocal step
        step = number
        if (when, number) == ("stepping", 14):
            kill()

    os.replace = replace  # pyright: ignore[reportAttributeAccessIssue]
    train(pictures, folder, stage, before_step=before_step)


@pytest.fixture(scope="module", params=["backbone", "joint"])
def straight(request: pytest.FixtureRequest, picture_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A training that nothing disturbed."""
    found = Trained(tmp_path_factory.mktemp("straight"), request.param)
    train(picture_folder, found.folder, found.stage)
    return found


def assert_equal(a: Any, b: Any, where: str = "") -> None:
    """Holds for nested dicts and lists of tensors and plain values, bit for bit."""
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for name in a:
            assert_equal(a[name], b[name], f"{where}/{name}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for place, pair in enumerate(zip(a, b, strict=True)):
            assert_equal(*pair, f"{where}/{place}")
    else:
        assert a == b, where


def assert_the_same(trained: Trained, straight: Trained) -> None:
    """Everything that decides what comes next, and what was charted on the way."""
    kept = ("state_dict", "optimizer_states", "average", "static_lengths", "step_index", "PictureDataModule")
    found, expected = trained.checkpoint, straight.checkpoint
    names = [name for name in expected if name in kept or name == "Pictures"]
    assert len(names) == len(kept)
    for name in names:
        assert_equal(found[name], expected[name], name)
    charts = straight.charts
    assert trained.charts == charts
    assert {"loss/total", "val/psnr_db", "val_raw/psnr_db"} <= charts.keys()
    assert ("bits of the batch/bpp static-huffman" in charts) == (straight.stage == "joint")


def test_runs_of_one_seed_agree_to_the_last_bit(straight: Trained, picture_folder: Path, tmp_path: Path) -> None:
    again = Trained(tmp_path / "again", straight.stage)
    train(picture_folder, again.folder, again.stage)
    assert again.losses == straight.losses
    assert [step for step, _ in again.losses] == list(range(STEPS))
    assert len({loss for _, loss in again.losses}) == STEPS
    assert_the_same(again, straight)


@pytest.mark.slow
def test_a_killed_training_goes_on_as_if_it_had_not_been(
    straight: Trained, picture_folder: Path, tmp_path: Path
) -> None:
    when, died_at, saved_at = ("stepping", 14, 12) if straight.stage == "backbone" else ("writing", 11, 8)
    cut = Trained(tmp_path / "cut", straight.stage)
    killed = Program(train_until_killed, picture_folder, cut.folder, cut.stage, when, torch.get_num_threads())
    _, said = killed.communicate()
    assert killed.returncode == -signal.SIGKILL, said
    assert cut.losses == straight.losses[: died_at + 1]
    assert cut.checkpoint["step_index"] == saved_at

    # TensorBoard orders files of one second by the number of their process.
    time.sleep(1.01 - time.time() % 1)
    train(picture_folder, cut.folder, cut.stage)
    assert cut.losses[died_at + 1 :] == straight.losses[saved_at:]
    assert_the_same(cut, straight)
