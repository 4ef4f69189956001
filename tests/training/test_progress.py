"""The bar, its plain twin, the closing table, and Ctrl-C."""

import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from hvqcgic.training.interrupt import SaveOnInterrupt  # isort: skip - makes torchvision importable for lightning
import lightning

from hvqcgic.training import progress
from hvqcgic.training.progress import ClosingRow, TrainingProgress, closing_table


class Counter(lightning.LightningModule):
    """Counts its steps as the real module does; may send itself a signal."""

    def __init__(self, steps: int, signals: dict[int, list[signal.Signals]] | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.step_index, self.steps, self.signals = 0, steps, signals or {}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 1.0)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        self.log("rate/adaptive_bpp", 0.25)
        for number in self.signals.get(self.step_index, []):
            os.kill(os.getpid(), number)
        self.step_index += 1
        self.trainer.should_stop = self.step_index >= self.steps
        return -self.weight.sum()


class Endless:
    """A loader without an end."""

    def __iter__(self) -> Iterator[Tensor]:
        while True:
            yield torch.zeros(1)


def fit(module: Counter, *callbacks: lightning.Callback) -> None:
    lightning.Trainer(
        accelerator="cpu",
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
    ).fit(module, Endless())


def terminal(is_terminal: bool) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, force_terminal=is_terminal, width=160), text


def test_the_bar_shows_steps_time_left_and_the_number_that_matters() -> None:
    console, text = terminal(True)
    fit(Counter(5), TrainingProgress(5, "joint", console=console))
    for part in ("joint", "5/5", "left", "adaptive bpp 0.25"):
        assert part in text.getvalue()


def test_a_log_gets_one_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    console, text = terminal(False)
    clock = iter(range(0, 10_000, 10))  # every look at the clock is ten seconds after the last
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    fit(Counter(20), TrainingProgress(20, "backbone", console=console))
    lines = text.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[0] == "backbone: step 6 of 20, 2:20 left  adaptive bpp 0.25"
    assert lines[-1].startswith("backbone: step 20 of 20, 0:00 left")


def test_the_closing_table_shows_no_nan() -> None:
    console, text = terminal(False)
    rows = [ClosingRow("backbone", psnr_db=26.44), ClosingRow("joint", 0.3241, 13.26, 26.4, float("nan"))]
    console.print(closing_table(rows, "48 validation pictures"))
    assert "26.44" in text.getvalue()
    joint = next(line for line in text.getvalue().splitlines() if "joint" in line)
    assert [cell.strip() for cell in joint.split("│")[1:-1]] == ["joint", "0.3241", "13.3", "26.40", "–"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_finishes_the_step_and_leaves_a_checkpoint_that_resumes(tmp_path: Path, number: signal.Signals) -> None:
    console, text = terminal(False)
    before = signal.getsignal(number)
    path, module = tmp_path / "deep" / "joint.ckpt", Counter(100, {3: [number]})
    with pytest.raises(SystemExit):
        fit(module, SaveOnInterrupt(path, "--resume true", console=console))
    assert module.step_index == 4
    assert float(module.weight.detach()) == 4
    assert f"the checkpoint is {path}; go on with --resume true" in text.getvalue()
    saved: dict[str, Any] = torch.load(path, weights_only=False)
    assert float(saved["state_dict"]["weight"]) == 4
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_stops_at_once_and_saves_nothing(tmp_path: Path) -> None:
    console, text = terminal(False)
    module = Counter(100, {3: [signal.SIGINT, signal.SIGINT]})
    with pytest.raises(SystemExit):
        fit(module, SaveOnInterrupt(tmp_path / "joint.ckpt", "--resume true", console=console))
    assert not (tmp_path / "joint.ckpt").exists()
    assert "not saved" in text.getvalue()


def test_an_undisturbed_training_gives_the_signals_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    fit(Counter(3), SaveOnInterrupt(tmp_path / "joint.ckpt", ""))
    assert signal.getsignal(signal.SIGINT) == before
    assert not list(tmp_path.iterdir())
