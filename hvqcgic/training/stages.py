"""Stages of a training, and the run of one stage."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import lightning
from lightning.fabric.utilities.exceptions import MisconfigurationException

from hvqcgic.errors import ConfigError
from hvqcgic.files import one_line, reason
from hvqcgic.training.callbacks import SaveEvery, ShowParameters, ShowPictures, StopAtStep
from hvqcgic.training.charts import ChartLogger
from hvqcgic.training.checkpoints import WholeCheckpoints, steps_taken
from hvqcgic.training.closing import StageResult
from hvqcgic.training.config import Stage, TrainingConfig
from hvqcgic.training.data import PictureDataModule
from hvqcgic.training.interrupt import SaveOnInterrupt
from hvqcgic.training.module import LOG_EVERY
from hvqcgic.training.processes import Processes, lightning_precision
from hvqcgic.training.progress import TrainingProgress
from hvqcgic.training.provenance import pictures_text
from hvqcgic.training.real_files import RealFiles
from hvqcgic.training.report import RunReport
from hvqcgic.training.stage_module import StageModule
from hvqcgic.training.starts import start_from

STAGES: tuple[Stage, ...] = ("backbone", "hyperprior", "joint")
"""Stages of a model, in their order."""


@dataclass(frozen=True)
class Machine:
    """Machine and output settings of a stage.

    Attributes:
        folder: for checkpoints, `STAGE.ckpt` each, and TensorBoard files, a folder for each stage.
        accelerator: of Lightning: cpu, cuda, mps or auto.
        precision: see `lightning_precision`.
        processes: processes that train together.
        resume: continue a stage's checkpoint if there is one.
        force: start anew if there is a checkpoint.
        save_every: steps between two checkpoints.
        callbacks: callbacks of a program that shows the progress and handles Ctrl-C itself, in place of bar, final
            table and the checkpoint at Ctrl-C; None for a training by itself.
    """

    folder: Path
    accelerator: str = "auto"
    precision: str = "32-true"
    processes: Processes = field(default_factory=Processes)
    resume: bool = False
    force: bool = False
    save_every: int = 200
    callbacks: Sequence[lightning.Callback] | None = None


def run_stage(
    module: StageModule,
    pictures: PictureDataModule,
    machine: Machine,
    *,
    start: Sequence[Path] = (),
    stage_before: Sequence[Path] = (),
    report: RunReport | None = None,
) -> StageResult | None:
    """Train one stage; its checkpoint is then `machine.folder / STAGE.ckpt`.

    Args:
        module: with random weights.
        pictures: to train and validate on.
        machine: machine and output settings.
        start: checkpoints of other stages, see `load_weights`; ignored for a resumed stage.
        stage_before: the checkpoint of the previous stage in the same training; ignored for a resumed stage.
        report: of the run that the stage belongs to; None to print no panel.
    Returns:
        the result; None if a resumed stage had taken all its steps already.
    Raises:
        ConfigError: as in `load_weights`, `check_free` and `steps_taken`, or there are no usable pictures or
            accelerator.
    """
    began = time.monotonic()
    last = check_free(machine, module.stage)
    going_on = last.exists() and machine.resume
    done = steps_taken(last, module) if going_on else 0
    if going_on and done >= module.options.steps:
        return None
    if not going_on:
        start_from(module, start, stage_before)
    machine.processes.check_batch(pictures.batch_size)
    pictures.setup()
    module.pictures = pictures_text(pictures.names)
    with quiet_lightning():
        trainer = make_trainer(module.stage, module.options, machine, steps_taken=done, report=report)
        trainer.fit(module, pictures, ckpt_path=str(last) if going_on else None, weights_only=True)
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    seconds, count = time.monotonic() - began, len(pictures.validation)
    return StageResult(module.stage, last, module.options, metrics, seconds, count)


def check_free(machine: Machine, stage: Stage) -> Path:
    """Path of the checkpoint that a stage will write.

    Raises:
        ConfigError: it exists already, and is neither to be resumed nor replaced.
    """
    path = machine.folder / f"{stage}.ckpt"
    if path.exists() and not (machine.resume or machine.force):
        raise ConfigError(
            f"{path}: there is a training already; go on with --resume true, name another --out, or use --force true"
        )
    return path


def make_trainer(
    stage: Stage, options: TrainingConfig, machine: Machine, *, steps_taken: int = 0, report: RunReport | None = None
) -> lightning.Trainer:
    """Create Lightning's trainer with this project's callbacks: bar, pictures, files, stop, checkpoints, Ctrl-C.

    Args:
        stage: name of checkpoint and charts.
        options: steps and validation.
        machine: machine and output settings.
        steps_taken: first step of this process; TensorBoard drops chart points of an earlier process beyond it.
        report: of the run; None to print no panel.

    Raises:
        ConfigError: the accelerator or the precision is not available here, or the folder cannot be written.
    """
    callbacks = _callbacks(stage, options, machine, report)
    try:
        machine.folder.mkdir(parents=True, exist_ok=True)
        return lightning.Trainer(
            accelerator=machine.accelerator,
            **machine.processes.for_trainer(),
            precision=lightning_precision(machine.precision, machine.accelerator, machine.processes),  # pyright: ignore[reportArgumentType]
            max_epochs=-1,
            callbacks=callbacks,
            logger=ChartLogger(machine.folder, stage, steps_taken=steps_taken),
            plugins=[WholeCheckpoints()],
            val_check_interval=options.validate_every,
            check_val_every_n_epoch=None,
            limit_val_batches=options.validation_pictures,
            num_sanity_val_steps=0,
            log_every_n_steps=LOG_EVERY,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
        )
    except OSError as error:
        raise ConfigError(f"{machine.folder}: cannot be written to: {reason(error)}; name another --out") from error
    except (MisconfigurationException, ValueError) as error:
        used = f"{machine.processes} --accelerator {machine.accelerator} --precision {machine.precision}".strip()
        raise ConfigError(one_line([f"{used}: not to be had here: {error}"])) from error


def _callbacks(
    stage: Stage, options: TrainingConfig, machine: Machine, report: RunReport | None
) -> list[lightning.Callback]:
    """This project's callbacks; see `make_trainer`."""
    last = machine.folder / f"{stage}.ckpt"
    # The position in the list matters: other callbacks must have counted and shown an interrupted step before.
    callbacks: list[lightning.Callback] = [
        ShowPictures(),
        RealFiles(options.file_pictures),
        StopAtStep(options.steps),
        SaveEvery(last, machine.save_every, options.steps),
    ]
    if machine.callbacks is not None:
        return [*callbacks, *machine.callbacks]
    interrupt = SaveOnInterrupt(last, "the same command and --resume true")
    callbacks = [ShowParameters(), *callbacks, interrupt]
    if report is None:
        return [TrainingProgress(options.steps, stage), *callbacks]
    # One console, so that the panel is printed above the bar.
    return [report, TrainingProgress(options.steps, stage, console=report.console), *callbacks]


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Hide Lightning's messages about the machine, its other products, and this project's loaders."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in (
                ".*does not have many workers",
                ".*isinstance\\(treespec, LeafSpec\\)",
                ".*exists and is not empty",
            ):
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
