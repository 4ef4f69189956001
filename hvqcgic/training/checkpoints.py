"""Checkpoint files: written whole or not at all; a file that is no checkpoint gives an error of one line."""

from __future__ import annotations

import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import nn

from hvqcgic.errors import ConfigError
from hvqcgic.files import one_line, reason, write_atomically

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
        data = io.BytesIO()
        torch.save(checkpoint, data)
        write_atomically(Path(path), data.getvalue(), force=True)


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
        if not {"state_dict", "hyper_parameters", "step_index"} <= found.keys():
            raise ValueError("it lacks parts of one")
    except (OSError, RuntimeError, ValueError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        why = reason(error).partition("\n")[0]
        raise ConfigError(f"{path}: not a checkpoint of hvqcgic ({why}); name a .ckpt of a training") from error
    return found


def steps_taken(path: Path, module: nn.Module) -> int:
    """Number of steps in a checkpoint from which a module is to continue.

    Raises:
        ConfigError: the file is no checkpoint, or one of other networks.
    """
    checkpoint = read_checkpoint(path)
    shapes, own = ({n: v.shape for n, v in x.items()} for x in (checkpoint["state_dict"], module.state_dict()))
    for name in sorted(shapes.keys() | own.keys()):
        if shapes.get(name) != own.get(name):
            raise ConfigError(f"{path}: {name} differs from that of these options; resume with the options of that run")
    return int(checkpoint["step_index"])
