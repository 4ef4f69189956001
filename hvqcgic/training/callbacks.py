"""What happens beside the optimiser steps of a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning


class StopAtStep(lightning.Callback):
    """Ends training once the module has taken its steps: Lightning's own count also counts the discriminator's."""

    def __init__(self, steps: int) -> None:
        """Args: steps: of the stage."""
        self.steps = steps

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Asks the trainer to stop."""
        if pl_module.step_index >= self.steps:
            trainer.should_stop = True


class SaveEvery(lightning.Callback):
    """Writes the checkpoint now and then, and at the last step; always the same file, whole or not at all."""

    def __init__(self, path: Path, every: int, steps: int) -> None:
        """Args: path: of the checkpoint; every: steps between two; steps: of the stage."""
        self.path, self.every, self.steps = path, every, steps

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves where it is time."""
        if pl_module.step_index % self.every == 0 or pl_module.step_index >= self.steps:
            trainer.save_checkpoint(self.path)
