#!/usr/bin/env python3
"""Images per second of a training, and the share of each part of a step; several settings in turns in one run.

    python -m tools.bench_training --config tiny --stage joint --init tiny --data PICTURES
    python -m tools.bench_training --config base --stage backbone --data SHARDS \
        --variant "--precision bf16-mixed" --variant "--pictures.batch_size 64"

Options that are not this tool's own go to `python -m hvqcgic.train`; each --variant adds options to them. The parts of
a step are timed by wrapping their functions. Figures are medians over steps, without the first steps of each turn.
"The rest" is Lightning. Nothing is validated or saved.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from hvqcgic.training import make_module, make_pictures, module, parse_options  # isort: skip - makes torchvision importable for lightning
import lightning
import torch
from jsonargparse import ArgumentError
from rich.console import Console
from rich.table import Table

from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.files import one_line
from hvqcgic.models import PictureModel
from hvqcgic.perceptual import Lpips
from hvqcgic.training import (
    CachedStream,
    CropStream,
    HvqModule,
    Machine,
    PictureDataModule,
    make_trainer,
    quiet_lightning,
    start_from,
)
from tools.stage_times import Seconds, Stage, timed_stages

PARTS: tuple[Stage, ...] = (
    ("data", CropStream, "batch"),
    ("data", CachedStream, "batch"),
    ("granularity map", HvqModule, "cells"),
    ("encoder, forward", HvqModule, "features"),
    ("codebook", HvqModule, "quantise"),
    ("codebook", HvqModule, "update_codebook"),
    ("entropy networks, forward", module, "estimate_rate"),
    ("decoder, forward", PictureModel, "reconstruct"),
    ("LPIPS, forward", Lpips, "forward"),
    ("discriminator", HvqModule, "adversarial"),
    ("backward", HvqModule, "manual_backward"),
    ("optimiser", HvqModule, "take_step"),
    ("logging", HvqModule, "log_dict"),
    ("logging", HvqModule, "log"),
)
REST = "the rest"
WHOLE = "whole step"


@dataclass(frozen=True)
class Profile:
    """What a training does per step.

    Attributes:
        name: the options that it adds to those of all.
        images_per_second: batch size by the median time of a step.
        ms: medians by part, with "the rest" and "whole step", in milliseconds.
    """

    name: str
    images_per_second: float
    ms: dict[str, float]


class Meter(lightning.Callback):
    """Notes time and parts after every step."""

    def __init__(self, seconds: Seconds, now: Callable[[], float]) -> None:
        """Args: seconds: by part, as they grow; now: the clock."""
        self._seconds, self._now = seconds, now
        self.notes: list[Seconds] = []

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Notes them."""
        self.notes.append(defaultdict(float, {**self._seconds, WHOLE: self._now()}))

    def steps(self, warm_up: int) -> list[Seconds]:
        """Seconds of each step by part, of those after the warm-up, which is at least one."""
        pairs = list(pairwise(self.notes))[max(warm_up, 1) - 1 :]
        return [defaultdict(float, {part: after[part] - before[part] for part in after}) for before, after in pairs]


class Training:
    """One way to train, of which some steps are measured at a time."""

    def __init__(self, arguments: Sequence[str]) -> None:
        """Create networks and pictures.

        Args:
            arguments: as for `python -m hvqcgic.train`.
        Raises:
            ArgumentError: an option is unknown, or its value is not allowed.
            HvqcgicError: as in `python -m hvqcgic.train`, or the stage is "all".
        """
        self.options = options = parse_options(arguments)
        if options.stage == "all":
            raise ConfigError("a profile is of one stage: add --stage backbone, hyperprior or joint")
        if options.threads:
            torch.set_num_threads(options.threads)
        self.pictures: PictureDataModule = make_pictures(options, cached=bool(options.cache))
        self.module = make_module(options, options.stage, options.training.steps)
        start_from(self.module, [Path(path) for path in options.init or ()])
        self.found: list[Seconds] = []

    def measure(self, steps: int, warm_up: int, *, cpu_clock: bool) -> None:
        """Take some steps and add their times to `found`.

        Args:
            steps: number of measured steps.
            warm_up: number of steps before them.
            cpu_clock: CPU seconds of the process instead of wall seconds.
        """
        seconds: Seconds = defaultdict(float)

        def now() -> float:
            # Wait for the GPU, which may still be working on earlier calls.
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()
            return time.process_time() if cpu_clock else time.perf_counter()

        until = self.module.step_index + warm_up + steps
        training = dataclasses.replace(
            self.module.options, steps=until, validate_every=10**9, validation_pictures=1, file_pictures=0
        )
        meter = Meter(seconds, now)
        with tempfile.TemporaryDirectory() as folder, quiet_lightning(), timed_stages(seconds, PARTS, now=now):
            machine = Machine(Path(folder), self.options.accelerator, self.options.precision, save_every=10**9)
            trainer = make_trainer(self.options.stage, training, machine)
            trainer.callbacks.append(meter)  # pyright: ignore[reportAttributeAccessIssue]
            trainer.fit(self.module, self.pictures)
        self.found += meter.steps(warm_up)

    def profile(self, name: str) -> Profile:
        """Return the medians of the measured values."""
        parts = list(dict.fromkeys(part for part, _, _ in PARTS))
        ms = {part: 1000 * statistics.median(step[part] for step in self.found) for part in (*parts, WHOLE)}
        rest = [step[WHOLE] - sum(step[part] for part in parts) for step in self.found]
        rate = 1000 * self.options.pictures.batch_size / ms[WHOLE]
        return Profile(
            name, rate, {**{p: ms[p] for p in parts}, REST: 1000 * statistics.median(rest), WHOLE: ms[WHOLE]}
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; return exit code 0 for done, 2 for a refusal with one line."""
    own, others = _parser().parse_known_args(arguments)
    try:
        profiles = compare(own, others)
    except (ArgumentError, HvqcgicError) as error:
        print(f"bench_training: {one_line([error])}", file=sys.stderr)
        return 2
    if own.json:
        print(json.dumps([dataclasses.asdict(profile) for profile in profiles]))
    else:
        show(profiles)
    return 0


def compare(own: argparse.Namespace, others: Sequence[str]) -> list[Profile]:
    """Measure the training that `others` describe and its variants, in turns.

    Args:
        own: this tool's options.
        others: options of `python -m hvqcgic.train`.
    Raises:
        ArgumentError: as in `Training`.
        HvqcgicError: as in `Training`.
    """
    names = ["", *own.variant]
    trainings = [Training([*others, *shlex.split(name)]) for name in names]
    for _ in range(own.rounds):
        for training in trainings:
            training.measure(own.steps, own.warm_up, cpu_clock=own.clock == "cpu")
    return [training.profile(name or "as given") for training, name in zip(trainings, names, strict=True)]


def show(profiles: Sequence[Profile]) -> None:
    """Print the table: milliseconds and shares of each part, images per second and their ratio to the first setting."""
    table = Table(title="milliseconds a step, medians")
    table.add_column("")
    for profile in profiles:
        table.add_column(profile.name, justify="right")
    for part in profiles[0].ms:
        if any(profile.ms[part] for profile in profiles):
            cells = (f"{p.ms[part]:.1f}  {100 * p.ms[part] / p.ms[WHOLE]:4.0f} %" for p in profiles)
            table.add_row(part, *cells)
    table.add_section()
    table.add_row("images per second", *(f"{profile.images_per_second:.2f}" for profile in profiles))
    first = profiles[0].images_per_second
    table.add_row("times the first", *(f"{profile.images_per_second / first:.3f}" for profile in profiles))
    Console().print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--variant", action="append", default=[], metavar="OPTIONS", help="more options; repeat")
    parser.add_argument("--steps", type=int, default=10, help="steps measured in a turn (default 10)")
    parser.add_argument("--warm-up", type=int, default=3, help="steps before them (default 3)")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each variant (default 2)")
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall", help="cpu: CPU time, for a machine that others use too"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
