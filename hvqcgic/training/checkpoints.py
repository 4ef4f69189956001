"""Checkpoint files: written whole or not at all; a file that is no checkpoint gives an error of one line."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from hvqcgic.errors import ConfigError
from hvqcgic.files import one_line, reason, write_atomically
from hvqcgic.schema import build, check
from hvqcgic.training.config import Stage

if TYPE_CHECKING:
    from hvqcgic.training.stage_module import StageModule


@dataclass(frozen=True)
class Settings:
    """What every module says of its making; those of its stage may say more.

    Attributes:
        stage: that wrote the checkpoint.
        training: fields of a `TrainingConfig`.
    """

    stage: Stage
    training: dict[str, Any]

    def __post_init__(self) -> None:
        """Raise `ConfigError` for values of another type."""
        check(self, "hyper_parameters")


@dataclass(frozen=True)
class Outline:
    """What is used of a checkpoint.

    Attributes:
        state_dict: weights by name.
        hyper_parameters: with the fields of `Settings`.
        step_index: optimiser steps so far.
    """

    state_dict: dict[str, Tensor]
    hyper_parameters: dict[str, Any]
    step_index: int

    def __post_init__(self) -> None:
        """Raise `ConfigError` for values of another type."""
        check(self, "checkpoint")
        own = {field.name for field in fields(Settings)}
        build(Settings, {key: self.hyper_parameters[key] for key in own & self.hyper_parameters.keys()}, "checkpoint")


OUTLINE = {field.name for field in fields(Outline)}

UNUSABLE = (RuntimeError, LookupError, TypeError, ValueError, AttributeError, OverflowError)
"""What PyTorch and the networks raise for a checkpoint whose parts do not fit."""


def unusable(path: str | Path, error: Exception) -> ConfigError:
    """The error for a file that is a checkpoint, whose content makes no module."""
    what = one_line([type(error).__name__, error])[:200]
    return ConfigError(f"{path}: not a checkpoint of `python -m hvqcgic.train`, or damaged ({what})")


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint to a new file in the same folder, and replaces the old checkpoint once it is on the disk.

    Lightning moves a file from the system's temporary folder, which copies the file if that is another disk.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: content to write.
            path: of the file.
            storage_options: for other kinds of storage; has no effect.
        Raises:
            OutputError: the file cannot be written; the old checkpoint is unchanged.
        """
        write_checkpoint(checkpoint, Path(path), force=True)


def write_checkpoint(checkpoint: Mapping[str, Any], path: Path, *, force: bool) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        OutputError: it cannot be written, or exists already and `force` is false.
    """
    data = io.BytesIO()
    torch.save(checkpoint, data)
    write_atomically(path, data.getvalue(), force=force)


def stage_of(path: Path) -> Stage:
    """Stage that wrote a checkpoint; errors as in `read_checkpoint`."""
    return read_checkpoint(path)["hyper_parameters"]["stage"]


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint into CPU memory.

    Raises:
        ConfigError: the file is missing, or is no checkpoint of this project.
    """
    try:
        with warnings.catch_warnings():
            # The error below describes a foreign file better than PyTorch's warnings do.
            warnings.simplefilter("ignore")
            found = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(found, dict):
            raise ValueError("it lacks parts of one")
        build(Outline, {key: found[key] for key in OUTLINE & found.keys()}, "checkpoint")
    except (OSError, RuntimeError, ValueError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        foreign = isinstance(error, pickle.UnpicklingError)
        why = "it holds no tensors and settings of torch.save" if foreign else reason(error).partition("\n")[0]
        raise ConfigError(f"{path}: not a checkpoint of hvqcgic ({why}); name a .ckpt of a training") from error
    return found


def steps_taken(path: Path, module: StageModule) -> int:
    """Number of steps in a checkpoint from which a module is to continue; the module takes its proxy decoder.

    Raises:
        ConfigError: the file is no checkpoint, or one of other networks.
    """
    checkpoint = read_checkpoint(path)
    module.take_proxy(checkpoint["hyper_parameters"])
    if name := unlike(checkpoint["state_dict"], module.state_dict()):
        raise ConfigError(f"{path}: {name} differs from that of these options; resume with the options of that run")
    return int(checkpoint["step_index"])


def unlike(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> str:
    """First name, in alphabetical order, that only one of two states has or has in another shape; "" for none."""
    shapes, own = ({name: value.shape for name, value in state.items()} for state in (first, second))
    return next((name for name in sorted(shapes.keys() | own.keys()) if shapes.get(name) != own.get(name)), "")
