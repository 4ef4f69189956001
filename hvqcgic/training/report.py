"""Report of a training by itself: the panel at its start, and the figures of real files that it ends with."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lightning
from jsonargparse import Namespace
from rich.console import Console

from hvqcgic.codec import Codec
from hvqcgic.errors import ModelError
from hvqcgic.training.config import Stage
from hvqcgic.training.data import PictureDataModule
from hvqcgic.training.module import HvqModule
from hvqcgic.training.options import training_config
from hvqcgic.training.panel import Plan, time_text, training_panel
from hvqcgic.training.processes import first_console
from hvqcgic.training.real_files import FileFigures, code_files, frozen_codec, reported_ratios, starting_codec
from hvqcgic.training.stage_module import StageModule
from hvqcgic.training.starts import StartFacts, start_facts

TIMED_STEPS = 3
"""Steps before the panel, which says how long they took; the first is slower and is not counted."""
LONGEST_WAIT_S = 10.0
"""Seconds after which fewer steps must do."""


class RunReport(lightning.Callback):
    """Codes validation pictures with the start and with the result, and prints the panel after the first steps.

    One object goes through all stages of a run, before their other callbacks.

    Attributes:
        start_files: figures of the start at the reported ratios; empty if the run is not one stage joint from a
            trained entropy model.
        result_files: figures of the last stage; empty if it has no entropy model.
    """

    def __init__(self, options: Namespace, steps: Mapping[Stage, int], *, console: Console | None = None) -> None:
        """Args: options: of the command; steps: of each stage; console: output, by default standard error."""
        self._options, self._steps = options, steps
        self.console = console or first_console()
        self.start_files: list[FileFigures] = []
        self.result_files: list[FileFigures] = []
        self._start: StartFacts | None = None
        self._waits = False
        self._times: list[float] = []

    def on_train_start(self, trainer: lightning.Trainer, pl_module: StageModule) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Code the start, once, and start the clock."""
        if not trainer.is_global_zero:
            return
        init = self._options.init or ()
        if pl_module.stage == next(iter(self._steps)) and init:
            self._start = start_facts(Path(init[-1]))
            # Of several files together there is no codec.
            if list(self._steps) == ["joint"] and self._start.codes_files and len(init) == 1:
                self.start_files = self._code(
                    "the start", lambda: starting_codec(Path(init[0]), pl_module.device), trainer, pl_module
                )
        self._waits, self._times = True, [time.monotonic()]

    def on_train_batch_end(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, trainer: lightning.Trainer, pl_module: StageModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Print the panel once some steps are timed; in later stages a line."""
        if not self._waits:
            return
        self._times.append(time.monotonic())
        taken, long = len(self._times) - 1, self._times[-1] - self._times[0] > LONGEST_WAIT_S
        if taken < TIMED_STEPS and not long and pl_module.step_index < pl_module.options.steps:
            return
        self._waits = False
        timed = self._times[1:] if taken > 1 else self._times
        step_s = (timed[-1] - timed[0]) / (len(timed) - 1)
        if pl_module.stage == next(iter(self._steps)):
            plan = Plan(self._options, self._steps, training_config(self._options), self._start, self.start_files)
            self.console.print(training_panel(plan, pl_module, _pictures(trainer), step_s=step_s))
        else:
            self.console.print(time_text({}, pl_module, step_s), soft_wrap=True, highlight=False, markup=False)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: StageModule) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Code the result of the last stage."""
        last = pl_module.stage == list(self._steps)[-1] and pl_module.stage != "backbone"
        if trainer.is_global_zero and last and isinstance(pl_module, HvqModule):
            self.result_files = self._code("the result", lambda: frozen_codec(pl_module), trainer, pl_module)

    def _code(
        self, what: str, make: Callable[[], Codec], trainer: lightning.Trainer, module: StageModule
    ) -> list[FileFigures]:
        """Figures of a codec at the reported ratios; a model that cannot be frozen is reported and has none."""
        options = module.options
        count = min(options.file_pictures, options.validation_pictures)
        pictures = [picture.to(module.device) for picture in _pictures(trainer).validation[:count]]
        if not pictures:
            return []
        try:
            codec = make()
        except ModelError as error:
            self.console.print(f"no real files of {what}: {error}", soft_wrap=True, markup=False)
            return []
        ratios = reported_ratios(module.model.config.default_ratios)
        with self.console.status(f"coding {len(pictures)} validation pictures with {what}"):
            return [code_files(codec, pictures, triple, options, module.measured_by) for triple in ratios]


def _pictures(trainer: lightning.Trainer) -> PictureDataModule:
    pictures = getattr(trainer, "datamodule", None)
    assert isinstance(pictures, PictureDataModule)
    return pictures
