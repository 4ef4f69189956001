"""Ctrl-C ends a training between two steps and leaves a checkpoint to continue from."""

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
    """Saves a checkpoint at Ctrl-C (or SIGTERM) and prints its path.

    The first signal lets the current step finish, so that weights, optimiser, step and data agree. A second signal
    stops at once and saves nothing. Lightning then ends the process as for any KeyboardInterrupt.
    """

    def __init__(self, path: Path, resume: str, *, console: Console | None = None) -> None:
        """Create the callback.

        Args:
            path: of the checkpoint.
            resume: command to continue, for the message.
            console: output console; by default standard error.
        """
        self._path, self._resume = path, resume
        self._console = console or first_console()
        self._asked = False
        self._between_steps = False
        self._before: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Install the signal handlers, which only the main thread may do."""
        self._asked = self._between_steps = False
        if threading.current_thread() is threading.main_thread():
            self._before = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """End between two steps after a signal."""
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
        """End between two validation pictures after a signal."""
        self._end_if_asked()

    def on_exception(self, trainer: lightning.Trainer, pl_module: Any, exception: BaseException) -> None:
        """Save a checkpoint if the training was interrupted between steps."""
        if self._between_steps:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            trainer.save_checkpoint(self._path)
            self._say(f"interrupted; the checkpoint is {self._path}; go on with {self._resume}")
        elif self._before and isinstance(exception, KeyboardInterrupt):
            self._say(f"interrupted within a step: not saved; {self._path} is as it was, if it was there")
        self._give_back()

    def on_train_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Restore the signal handlers."""
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
