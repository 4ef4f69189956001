"""Control-GIC's checkpoints, read without running code that a pickle may name."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hvqcgic.errors import ModelError
from hvqcgic.files import one_line, reason

STATE_PREFIX = "state/"
"""Prefix of the state dict in a parity fixture."""

IGNORED = ("loss.", "ema_")
"""Prefixes of weights that inference does not need: losses with their discriminator, moving averages."""

HARMLESS_GLOBALS = ("pytorch_lightning.", "lightning.", "omegaconf.", "argparse.Namespace", "pathlib.", "typing.Any")
"""Classes of objects that Lightning stores beside the weights; they are read as empty shells and never created."""


@dataclass(frozen=True)
class Checkpoint:
    """Content of a file.

    Attributes:
        path: of the file.
        state: the state dict.
        beside: names of other entries in the file.
    """

    path: Path
    state: dict[str, Tensor]
    beside: tuple[str, ...] = ()

    @property
    def ignored(self) -> str:
        """Describe the parts of the file that are not read; empty if there are none."""
        groups = Counter(next((p for p in IGNORED if key.startswith(p)), "") for key in self.state)
        parts = [f"{groups[prefix]} entries of {prefix}*" for prefix in IGNORED if groups[prefix]]
        return ", ".join([*parts, *self.beside])


class Shell:
    """Stand-in for an object beside the weights; accepts any pickled state and does nothing."""

    def __init__(self, *arguments: Any) -> None:
        """Accept any arguments."""

    def __setstate__(self, state: Any) -> None:
        """Accept any state."""


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the state dict of a Lightning checkpoint, of a bare state dict file, or of a parity fixture.

    Raises:
        ModelError: the file cannot be read, holds code, or no state dict.
    """
    try:
        if path.suffix == ".safetensors":
            tensors = load_file(path)
            inside = {k.removeprefix(STATE_PREFIX): v for k, v in tensors.items() if k.startswith(STATE_PREFIX)}
            return Checkpoint(path, inside or tensors)
        content = load_pickle(path)
    except OSError as error:
        raise ModelError(f"{path}: the checkpoint cannot be read: {reason(error)}") from error
    except SafetensorError as error:
        raise ModelError(f"{path}: damaged or cut short ({one_line([error])}); get a fresh copy") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state or not all(map(_is_entry, state.items())):
        raise ModelError(f"{path}: holds no state dict; give a Lightning checkpoint or a dictionary of tensors")
    beside = tuple(str(name) for name in content if state is not content and name != "state_dict")
    return Checkpoint(path, dict(state), beside)


def _is_entry(item: tuple[Any, Any]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], Tensor)


def load_pickle(path: Path) -> Any:
    """Load a PyTorch file; only numbers and plain containers are created, and no code is run.

    Raises:
        OSError: it cannot be read.
        ModelError: it is damaged, or names code.
    """
    archive = zipfile.is_zipfile(path)
    try:
        named = torch.serialization.get_unsafe_globals_in_checkpoint(path) if archive else []
        shells: list[Any] = [(Shell, name) for name in named if name.startswith(HARMLESS_GLOBALS)]
        with torch.serialization.safe_globals(shells), warnings.catch_warnings():
            # The errors below describe a foreign file better than PyTorch's warnings do.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except pickle.UnpicklingError as error:
        message = str(error)
        if code := re.search(r"GLOBAL (\S+)", message):
            raise ModelError(
                f"{path}: is a pickle that names {code[1]}, which could run code, and is not loaded; where you trust "
                "the file, save its state_dict alone with torch.save and import that"
            ) from error
        raise ModelError(f"{path}: not a checkpoint, or damaged; give a .ckpt, .pt or .safetensors file") from error
    except (RuntimeError, EOFError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        what = one_line([type(error).__name__, error])[:120]
        raise ModelError(f"{path}: damaged, cut short, or no checkpoint ({what}); get a fresh copy") from error
