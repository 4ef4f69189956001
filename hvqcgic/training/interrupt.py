"""Ctrl-C ends a training between two steps, with a checkpoint to go on from."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
from rich.console import Console

from hvqcgic.training.processes import first_console


class SaveOnInterrupt(lightning.Callback):
    """Saves a checkpoint at Ctrl-C (or SIGTERM) and says where it is.

    The first signal lets the running step finish, so that weights, optimiser, step and data agree; a second one stops
    at once, and saves nothing. Lightning then ends the process as it does at any KeyboardInterrupt.
    """

    def __init__(self, path: Path, resume: str, *, console: Console | None = None) -> None:
        """Save to `path`.

        Args:
            path: of the checkpoint.
            resume: how to go on, for the message.
            console: where to write; by default standard error.
        """
        self._path, self._resume = path, resume
        self._console = console or first_console()
        self._asked = False
        self._between_steps = False
        self._before: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Take the signals over; only the main thread may."""
        self._asked = self._between_steps = False
        if threading.current_thread() is threading.main_thread():
            self._before = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """End between two steps, if that was asked for."""
        self._end_if_asked()

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Likewise between two validation pictures."""
        self._end_if_asked()

    def on_exception(self, trainer: lightning.Trainer, pl_module: Any, exception: BaseException) -> None:
        """Save where the training was interrupted between steps."""
        if self._between_steps:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            trainer.save_checkpoint(self._path)
            self._say(f"interrupted; the checkpoint is {self._path}; go on with {self._resume}")
        elif self._before and isinstance(exception, KeyboardInterrupt):
            self._say(f"interrupted within a step: not saved; {self._path} is as it was, if it was there")
        self._give_back()

    def on_train_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Give the signals back."""
        self._give_back()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        self._say("interrupted: finishing this step (again to stop at once)")

    def _end_if_asked(self) -> None:
        if self._asked:
            self._between_steps = True
            raise KeyboardInterrupt

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)
