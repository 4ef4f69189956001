"""Terminal output of a training: a bar with time left and current values, and a final table."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightning
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from hvqcgic.training.processes import first_console

NUMBERS = {
    "adaptive bpp": "rate/adaptive_bpp",
    "PSNR dB": "quality/psnr_db",
    "LPIPS": "quality/lpips",
    "val bpp": "val/adaptive_bpp",
    "val PSNR dB": "val/psnr_db",
    "val LPIPS": "val/lpips",
}
"""Labels of the bar, and the logged values that they show; values that a stage does not log are omitted."""

# Reading a value from a GPU waits for it, so values are read no more often than a person can follow.
_SECONDS_BETWEEN_UPDATES = 0.5
_SECONDS_BETWEEN_LINES = 60.0


class TrainingProgress(lightning.Callback):
    """A progress bar of rich on a terminal; elsewhere one plain line a minute, to keep logs short.

    Counts the module's own `step_index`, because Lightning's count includes the discriminator's steps.
    """

    def __init__(
        self, steps: int, stage: str, *, numbers: Mapping[str, str] | None = None, console: Console | None = None
    ) -> None:
        """Create the callback; the bar starts with the training.

        Args:
            steps: optimiser steps of the stage.
            stage: name shown before the bar.
            numbers: label and logged name of each value shown; by default NUMBERS.
            console: output console; by default standard error.
        """
        self._steps, self._stage = steps, stage
        self._numbers = NUMBERS if numbers is None else numbers
        self._console = console or first_console()
        self._bar: Progress | None = None
        self._due = 0.0
        self._began, self._first_step = 0.0, 0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Show the bar if there is a terminal."""
        self._began, self._first_step = time.monotonic(), pl_module.step_index
        self._due = self._began + (0 if self._console.is_terminal else _SECONDS_BETWEEN_LINES)
        if not self._console.is_terminal:
            return
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}"),
            console=self._console,
        )
        self._bar.add_task(self._stage, total=self._steps, completed=pl_module.step_index, numbers="")
        self._bar.start()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar, or write a line once a minute."""
        now, step = time.monotonic(), pl_module.step_index
        if now < self._due and step < self._steps:
            return
        numbers = self._read(trainer.callback_metrics)
        if self._bar is not None:
            self._due = now + _SECONDS_BETWEEN_UPDATES
            self._bar.update(self._bar.task_ids[0], completed=step, numbers=numbers)
        else:
            self._due = now + _SECONDS_BETWEEN_LINES
            self._console.print(self._line(step, now, numbers), soft_wrap=True, highlight=False)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Stop the bar and leave it visible."""
        self._stop()

    def on_exception(self, trainer: lightning.Trainer, pl_module: Any, exception: BaseException) -> None:
        """Release the terminal before anything else is written."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _read(self, metrics: Mapping[str, Any]) -> str:
        shown = {label: float(metrics[name]) for label, name in self._numbers.items() if name in metrics}
        return "  ".join(f"{label} {value:.4g}" for label, value in shown.items())

    def _line(self, step: int, now: float, numbers: str) -> str:
        done = step - self._first_step
        left_s = (now - self._began) / done * max(self._steps - step, 0) if done else float("nan")
        return f"{self._stage}: step {step} of {self._steps}, {duration(left_s)} left  {numbers}"


@dataclass(frozen=True)
class ClosingRow:
    """One line of the table of stages: means over the validation pictures at one setting.

    Attributes:
        name: stage, or setting within it.
        bpp: bits per pixel, estimated; None without a rate.
        saving_percent: saving against static arithmetic coding of the same indices; None if not applicable.
        psnr_db: None if not measured.
        lpips: None if not measured.
    """

    name: str
    bpp: float | None = None
    saving_percent: float | None = None
    psnr_db: float | None = None
    lpips: float | None = None


def closing_table(rows: Sequence[ClosingRow], title: str) -> Table:
    """Format the results of stages as a table.

    Args:
        rows: lines from top to bottom.
        title: of the table.
    """
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for heading in ("bpp", "saving, %", "PSNR, dB", "LPIPS"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            row.name,
            number_text(row.bpp, 4),
            number_text(row.saving_percent, 1),
            number_text(row.psnr_db, 2),
            number_text(row.lpips, 4),
        )
    return table


def number_text(value: float | None, digits: int) -> str:
    """Format a number with some decimals; a dash for None and NaN."""
    return "–" if value is None or value != value else f"{value:.{digits}f}"


def duration(seconds: float) -> str:
    """Format hours, minutes and seconds: 1:02:03, or 2:03; a dash for NaN."""
    if seconds != seconds:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
