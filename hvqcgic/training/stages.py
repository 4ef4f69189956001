"""Stages of a training: where each starts from, and how it runs."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.loggers import TensorBoardLogger

from hvqcgic.errors import ConfigError
from hvqcgic.files import one_line, reason
from hvqcgic.frozen_model import read_model
from hvqcgic.model_file import MODEL_SUFFIX, bundled_models, find_model, read_summary
from hvqcgic.models.reverse import ReverseConfig
from hvqcgic.training.average import weights_of
from hvqcgic.training.callbacks import SaveEvery, ShowPictures, StopAtStep
from hvqcgic.training.checkpoints import WholeCheckpoints, read_checkpoint, steps_taken
from hvqcgic.training.closing import StageResult
from hvqcgic.training.config import Stage, TrainingConfig
from hvqcgic.training.data import PictureDataModule
from hvqcgic.training.interrupt import SaveOnInterrupt
from hvqcgic.training.losses import Perceptual
from hvqcgic.training.module import LOG_EVERY, HvqModule
from hvqcgic.training.processes import Processes
from hvqcgic.training.progress import TrainingProgress
from hvqcgic.training.real_files import RealFiles
from hvqcgic.training.reverse_module import ReverseModule
from hvqcgic.training.thaw import thaw_networks, thawed_checkpoint

STAGES: tuple[Stage, ...] = ("backbone", "hyperprior", "joint")
"""Of a model, in their order."""

BACKBONE = ("model.encoder.", "model.decoder.", "model.quantiser.")
"""What a checkpoint must hold for a training to start from it."""


@dataclass(frozen=True)
class Machine:
    """Where and how a stage runs.

    Attributes:
        folder: for checkpoints, `STAGE.ckpt` each, and TensorBoard files, a folder for each stage.
        accelerator: of Lightning: cpu, cuda, mps or auto.
        precision: of Lightning: 32-true or bf16-mixed.
        processes: that train together.
        resume: go on from a stage's checkpoint where there is one.
        force: start anew where there is one.
        save_every: steps between two checkpoints.
        callbacks: of a program that shows the progress and heeds Ctrl-C itself, in place of bar, closing table and the
            checkpoint at Ctrl-C; None for a training by itself.
    """

    folder: Path
    accelerator: str = "auto"
    precision: str = "32-true"
    processes: Processes = field(default_factory=Processes)
    resume: bool = False
    force: bool = False
    save_every: int = 200
    callbacks: Sequence[lightning.Callback] | None = None


def is_model(path: Path) -> bool:
    """Whether a start is a frozen model: one of the bundled ones by its name, or a model file."""
    return str(path) in bundled_models() or path.suffix == MODEL_SUFFIX


def model_options(path: Path) -> dict[str, Any]:
    """The model options of what a training starts from, in the form of `ModelConfig.to_dict`.

    Raises:
        ConfigError: the file is no checkpoint.
        ModelError: there is no such model, or its file is damaged.
    """
    if is_model(path):
        return read_summary(find_model(path)).config
    return read_checkpoint(path)["hyper_parameters"]["model"]


def load_weights(module: HvqModule, paths: Sequence[Path]) -> None:
    """Starts a module from checkpoints or frozen models, later ones over earlier ones.

    Of a checkpoint with a moving average of its weights that is taken: it is what was validated and would be exported.
    Of a checkpoint of stage backbone the entropy networks are left out, as they are untrained there. Where none of the
    checkpoints has trained ones, the index prior starts from the use of the codes.

    Raises:
        ConfigError: a file is no checkpoint, its backbone has other shapes, or the stage needs a backbone and has none.
    """
    own, predicts = module.state_dict(), False
    for path in paths:
        checkpoint = thawed_checkpoint(path) if is_model(path) else read_checkpoint(path)
        untrained = checkpoint["hyper_parameters"]["stage"] == "backbone"
        kept = (*BACKBONE, "discriminator.") if untrained else ("",)
        state = {key: value for key, value in weights_of(checkpoint).items() if key.startswith(kept) and key in own}
        fitting = {key: value for key, value in state.items() if own[key].shape == value.shape}
        missing = sorted(key for key in own if key.startswith(BACKBONE) and key not in fitting)
        if missing:
            raise ConfigError(
                f"{path}: {missing[0]} is missing or has another shape; train with the model options of that run"
            )
        module.load_state_dict(fitting, strict=False)
        entropy = [key for key in own if not key.startswith((*BACKBONE, "discriminator."))]
        predicts = predicts or all(key in fitting for key in entropy)
    if module.stage == "backbone":
        return
    if not bool(module.model.quantiser.initialised):
        raise ConfigError(
            f"stage {module.stage} needs a trained backbone: name its checkpoint with --init, or use --stage all"
        )
    if not predicts:
        module.model.prior.start(module.model.quantiser.usage, module.model.quantiser.codebook)


def make_reverse_module(
    start: Sequence[Path], config: ReverseConfig, training: TrainingConfig, perceptual: Perceptual | None
) -> ReverseModule:
    """A module of stage reverse behind the frozen model that its start names first.

    Raises:
        ConfigError: it names none first, or one that no reverse path can stand behind.
        ModelError: there is no such model, or its file is damaged.
    """
    if not start or not is_model(start[0]):
        named = f"--init {start[0]}" if start else "no --init"
        raise ConfigError(
            f"stage reverse, {named}: it is trained behind a frozen model; name a bundled one or a model file, "
            "which `python -m hvqcgic.export` makes of a checkpoint"
        )
    frozen = read_model(start[0])
    return ReverseModule(thaw_networks(frozen), frozen.fingerprint, config, training, perceptual)


def load_reverse_weights(module: ReverseModule, paths: Sequence[Path]) -> None:
    """Starts a reverse model from checkpoints of its stage, behind the same frozen model.

    Raises:
        ConfigError: a file is no such checkpoint, or its networks have other shapes.
    """
    for path in paths:
        checkpoint = read_checkpoint(path)
        if checkpoint["hyper_parameters"].get("fingerprint") != module.hparams["fingerprint"]:
            raise ConfigError(f"{path}: no checkpoint of stage reverse behind this model; leave it out of --init")
        state, own = weights_of(checkpoint), module.state_dict()
        fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
        if missing := sorted(name for name in own if name.startswith("reverse.") and name not in fitting):
            raise ConfigError(
                f"{path}: {missing[0]} is missing or has another shape; train with the --reverse options of that run"
            )
        module.load_state_dict(fitting, strict=False)


def start_from(module: HvqModule | ReverseModule, start: Sequence[Path]) -> None:
    """Starts a fresh module from checkpoints or frozen models; errors as of `load_weights`, `load_reverse_weights`."""
    if isinstance(module, ReverseModule):
        # The first is the model that it stands behind.
        load_reverse_weights(module, start[1:])
    else:
        load_weights(module, start)


def run_stage(
    module: HvqModule | ReverseModule, pictures: PictureDataModule, machine: Machine, *, start: Sequence[Path] = ()
) -> StageResult | None:
    """Trains one stage; its checkpoint is then `machine.folder / STAGE.ckpt`.

    Args:
        module: with fresh weights.
        pictures: to train and validate on.
        machine: where and how.
        start: checkpoints of other stages, see `load_weights`; not read where the stage is resumed.
    Returns:
        what it reached; None where a resumed stage had taken all its steps already.
    Raises:
        ConfigError: as `load_weights`, `check_free` and `steps_taken`, or no usable pictures or accelerator.
    """
    began = time.monotonic()
    last = check_free(machine, module.stage)
    going_on = last.exists() and machine.resume
    done = steps_taken(last, module) if going_on else 0
    if going_on and done >= module.options.steps:
        return None
    if not going_on:
        start_from(module, start)
    machine.processes.check_batch(pictures.batch_size)
    pictures.setup()
    with quiet_lightning():
        trainer = make_trainer(module.stage, module.options, machine, steps_taken=done)
        trainer.fit(module, pictures, ckpt_path=str(last) if going_on else None, weights_only=True)
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return StageResult(module.stage, last, module.options, metrics, time.monotonic() - began)


def check_free(machine: Machine, stage: Stage) -> Path:
    """The checkpoint that a stage will write.

    Raises:
        ConfigError: it is there already, and is neither to be resumed nor replaced.
    """
    path = machine.folder / f"{stage}.ckpt"
    if path.exists() and not (machine.resume or machine.force):
        raise ConfigError(
            f"{path}: there is a training already; go on with --resume true, name another --out, or use --force true"
        )
    return path


def make_trainer(stage: Stage, options: TrainingConfig, machine: Machine, *, steps_taken: int = 0) -> lightning.Trainer:
    """Lightning's trainer with this project's callbacks: bar, pictures, files, stop, checkpoints, Ctrl-C.

    Args:
        stage: names checkpoint and charts.
        options: steps and validation.
        machine: where and how.
        steps_taken: where the training goes on; what an earlier process charted beyond that is dropped by TensorBoard.

    Raises:
        ConfigError: the accelerator or the precision is not to be had here, or the folder cannot be written to.
    """
    last = machine.folder / f"{stage}.ckpt"
    # Its place in the list matters: an interrupted step must have been counted and shown before.
    callbacks: list[lightning.Callback] = [
        ShowPictures(),
        RealFiles(options.file_pictures),
        StopAtStep(options.steps),
        SaveEvery(last, machine.save_every, options.steps),
    ]
    if machine.callbacks is None:
        interrupt = SaveOnInterrupt(last, "the same command and --resume true")
        callbacks = [TrainingProgress(options.steps, stage), *callbacks, interrupt]
    else:
        callbacks += machine.callbacks
    try:
        machine.folder.mkdir(parents=True, exist_ok=True)
        return lightning.Trainer(
            accelerator=machine.accelerator,
            **machine.processes.for_trainer(),
            precision=machine.precision,  # pyright: ignore[reportArgumentType]
            max_epochs=-1,
            callbacks=callbacks,
            logger=TensorBoardLogger(
                machine.folder, name=None, version=stage, default_hp_metric=False, purge_step=steps_taken
            ),
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


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Without Lightning's remarks on the machine, on its other products, and on loaders that are meant to be so."""
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
