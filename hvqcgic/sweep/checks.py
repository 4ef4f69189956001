"""Lightning callback of a sweep's training: compare the training with others at every validation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lightning


class Checks(lightning.Callback):
    """Records the objectives at every validation, and ends a training that is to be pruned."""

    def __init__(
        self,
        names: Mapping[str, str],
        is_hopeless: Callable[[int, Sequence[float]], bool],
        moved: Callable[[str], None],
    ) -> None:
        """Watch a training.

        Args:
            names: name of the logged validation value of each objective, see `validation_names`.
            is_hopeless: records the values at a step; returns whether the training must end.
            moved: called with a short status after each step.
        """
        self._names, self._is_hopeless, self._moved = names, is_hopeless, moved
        self._shown = ""
        self.pruned_at: int | None = None

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Compare the training with others."""
        metrics = trainer.callback_metrics
        if not all(name in metrics for name in self._names.values()):
            return
        values = [float(metrics[name]) for name in self._names.values()]
        if not values or not all(math.isfinite(value) for value in values):
            return
        self._shown = "".join(f" {name} {value:.4g}" for name, value in zip(self._names, values, strict=True))
        if self._is_hopeless(pl_module.step_index, values) and pl_module.step_index < pl_module.options.steps:
            self.pruned_at = pl_module.step_index
            trainer.should_stop = True

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report the progress."""
        self._moved(f"step {pl_module.step_index} of {pl_module.options.steps}{self._shown}")
