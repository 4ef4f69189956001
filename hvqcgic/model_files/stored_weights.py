"""Network weights in safetensors files, for model files and files of reverse paths."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from torch import Tensor, nn

from hvqcgic.errors import ModelError
from hvqcgic.files import one_line, write_atomically

Weights = dict[str, NDArray[np.floating[Any]]]
"""Weights of a network, by name."""

Network = TypeVar("Network", bound=nn.Module)


def as_stored(state: Mapping[str, Tensor], *, half: bool = True) -> Weights:
    """Convert weights to the types of a file.

    Args:
        state: weights by name.
        half: True for float16, False for float32.

    Raises:
        ModelError: a weight is not finite, or too large for its type.
    """
    kind, stored = "float16" if half else "float32", Weights()
    for name, tensor in state.items():
        value = tensor.detach().cpu().numpy()
        largest = float(np.abs(value).max(initial=0))
        if not largest < float(np.finfo(kind).max):
            raise ModelError(f"weights {name} reach {largest:g}: no {kind}; train with a smaller learning rate")
        stored[name] = value.astype(kind)
    return stored


def build(make: Callable[[], Network], weights: Weights, label: str, *, parts: tuple[str, ...] = ("",)) -> Network:
    """Build a network with stored weights, as float32, in evaluation mode.

    Args:
        make: creates the network with any weights.
        weights: stored.
        label: name of the network, for messages.
        parts: prefixes of the names of stored weights; other weights are 0.

    Raises:
        ModelError: weights are missing, unknown or of another shape.
    """
    for name, array in weights.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ModelError(f"{label}: weights {name} hold {array.dtype} that are not all finite; get a fresh copy")
    state = {name: torch.from_numpy(array.astype(np.float32, copy=False)) for name, array in weights.items()}
    try:
        # On the meta device: an initialisation would take time and be replaced.
        with torch.device("meta"):
            network = make()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{label}: its configuration makes no model ({one_line([error])})") from error
    for name, value in network.state_dict().items():
        if not name.startswith(parts):
            state[name] = torch.zeros(value.shape, dtype=value.dtype)
        elif name not in state or state[name].shape != value.shape:
            raise ModelError(f"{label}: weights {name} are missing, or not of shape {tuple(value.shape)}")
    if unknown := sorted(state.keys() - network.state_dict().keys()):
        raise ModelError(f"{label}: weights {unknown[0]} are unknown to this version of hvqcgic")
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def lay_out_for(network: nn.Module, device: torch.device) -> None:
    """Set the fastest memory layout of a network without attention or global norms; the order of sums changes with it.

    Channels-last convolutions take a quarter less time on a CPU.
    """
    if device.type == "cpu":
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def fingerprint_of(description: list[Any], tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """8 bytes: SHA-256 of a JSON-able description, and of the names, types, shapes and numbers of arrays."""
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name, array in sorted(tensors.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()[:8]


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]], metadata: dict[str, str], *, force: bool) -> None:
    """Write a safetensors file, whole or not at all."""
    laid_out = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    write_atomically(path, save(laid_out, metadata), force=force)


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Read all tensors of a safetensors file, by name; raise `ModelError` if it is damaged."""
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: damaged model file ({error}); get a fresh copy") from error


def check_fingerprint(path: Path, *, stated: bytes, found: bytes) -> None:
    """Raise `ModelError` for a file whose numbers do not have its stated fingerprint."""
    if found != stated:
        raise ModelError(
            f"{path}: damaged model file: its numbers have fingerprint {found.hex()}, "
            f"its header says {stated.hex()}; get a fresh copy"
        )
