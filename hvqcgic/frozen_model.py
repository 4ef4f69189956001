"""A frozen model: what a codec needs to code and decode, as one safetensors file.

Network weights are stored as float16 and cast to float32 at load, those of Control-GIC as float32, so that its indices
stay the published ones; what shapes probabilities is stored as integers. The metadata hold `config`, `entropy` (the
spec of the integer part), `card` and `fingerprint`, all text. What a header says of itself without torch is read by
`hvqcgic.model_file`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from torch import Tensor

from hvqcgic.entropy import EntropyModel
from hvqcgic.errors import ConfigError, ModelError
from hvqcgic.files import one_line, write_atomically
from hvqcgic.model_file import ModelSummary, find_model, read_summary
from hvqcgic.models.config import ModelConfig
from hvqcgic.models.picture_model import PictureModel

NETWORK, ENTROPY = "network.", "entropy."
PARTS = ("encoder.", "decoder.", "analysis.", "quantiser.codebook")
"""Parts of a `PictureModel` that a file holds."""


@dataclass(frozen=True)
class FrozenModel:
    """A model ready to code.

    Attributes:
        config: its configuration.
        networks: float16 or float32 weights by name, of the parts of a `PictureModel` in PARTS.
        spec: of the integer part, for `EntropyModel`.
        arrays: integer tables, for `EntropyModel`.
        card: data, steps, hardware, figures; no part of the fingerprint.
        source: the file it was read from, for messages; None of a model that was just frozen.
    """

    config: ModelConfig
    networks: dict[str, NDArray[np.floating[Any]]]
    spec: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    card: dict[str, Any]
    source: Path | None = None

    @property
    def fingerprint(self) -> bytes:
        """8 bytes over all that decoding needs: SHA-256 of configuration, spec, names, types, shapes and numbers.

        The model's name, its default ratios and its card are left out: they may change without a new model.
        """
        config = {key: value for key, value in self.config.to_dict().items() if key not in ("name", "default_ratios")}
        digest = hashlib.sha256(json.dumps([config, self.spec], sort_keys=True).encode())
        for name, array in sorted(self.tensors().items()):
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.digest()[:8]

    @property
    def is_half(self) -> bool:
        """Whether network weights are float16."""
        return any(array.dtype == np.float16 for array in self.networks.values())

    def tensors(self) -> dict[str, NDArray[Any]]:
        """All numbers under the names they have in a file."""
        networks = {NETWORK + name: array for name, array in self.networks.items()}
        return networks | {ENTROPY + name: array for name, array in self.arrays.items()}

    def picture_model(self, device: torch.device) -> PictureModel:
        """The picture networks, in evaluation mode.

        Raises:
            ModelError: weights are missing, unknown or of another shape.
        """
        state = {name: torch.from_numpy(array.astype(np.float32, copy=False)) for name, array in self.networks.items()}
        try:
            # Without storage: fresh weights would cost time, only to be replaced.
            with torch.device("meta"):
                model = PictureModel(self.config)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ModelError(f"{self._label}: its configuration makes no model ({one_line([error])})") from error
        for name, value in model.state_dict().items():
            if not name.startswith(PARTS):
                state[name] = torch.zeros(value.shape, dtype=value.dtype)
            elif name not in state or state[name].shape != value.shape:
                raise ModelError(f"{self._label}: weights {name} are missing, or not of shape {tuple(value.shape)}")
        if unknown := sorted(state.keys() - model.state_dict().keys()):
            raise ModelError(f"{self._label}: weights {unknown[0]} are unknown to this version of hvqcgic")
        model.load_state_dict(state, assign=True)
        if device.type == "cpu" and self.config.control_gic is None:
            # Convolutions take a quarter less time where channels lie side by side. Not the encoder's: in another order
            # of summation a feature between two codes might become another index than it was.
            model.decoder.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        return model.eval().requires_grad_(False).to(device)

    def entropy_model(self) -> EntropyModel:
        """The integer part.

        Raises:
            ModelError: its tables do not fit together.
        """
        try:
            return EntropyModel(self.spec, self.arrays)
        except ModelError as error:
            raise ModelError(f"{self._label}: {error}") from error

    @property
    def _label(self) -> str:
        return str(self.source or f"model {self.config.name}")


def network_weights(state: dict[str, Tensor], *, half: bool = True) -> dict[str, NDArray[np.floating[Any]]]:
    """The weights that a file holds, of the state of a `PictureModel` (or of what inherits from it).

    Args:
        state: by name.
        half: as float16, else as float32.

    Raises:
        ModelError: a weight is not finite, or too large for its type.
    """
    kept = {name: value.detach().cpu().numpy() for name, value in state.items() if name.startswith(PARTS)}
    kind = "float16" if half else "float32"
    for name, value in kept.items():
        largest = float(np.abs(value).max(initial=0))
        if not largest < np.finfo(kind).max:
            raise ModelError(f"weights {name} reach {largest:g}: no {kind}; train with a smaller learning rate")
    return {name: value.astype(kind) for name, value in kept.items()}


def write_model(model: FrozenModel, path: Path, *, force: bool = False) -> None:
    """Writes a model file, whole or not at all."""
    metadata = {
        "config": json.dumps(model.config.to_dict()),
        "entropy": json.dumps(model.spec),
        "card": json.dumps(model.card),
        "fingerprint": model.fingerprint.hex(),
    }
    tensors = {name: np.ascontiguousarray(array) for name, array in model.tensors().items()}
    write_atomically(path, save(tensors, metadata), force=force)


def read_model(name_or_path: str | Path) -> FrozenModel:
    """Reads a bundled model by name, or any by its path.

    Raises:
        ModelError: unknown, damaged, or its numbers are not those that its fingerprint was made of.
    """
    path = find_model(name_or_path)
    summary = read_summary(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: damaged model file ({error}); get a fresh copy") from error
    model = _assemble(summary, tensors)
    if model.fingerprint != summary.fingerprint:
        raise ModelError(
            f"{path}: damaged model file: its numbers have fingerprint {model.fingerprint.hex()}, "
            f"its header says {summary.fingerprint.hex()}; get a fresh copy"
        )
    return model


def _assemble(summary: ModelSummary, tensors: dict[str, NDArray[Any]]) -> FrozenModel:
    try:
        config = ModelConfig.from_dict(summary.config)
        spec = json.loads(summary.metadata["entropy"])
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{summary.path}: not a model of this version of hvqcgic ({error})") from error
    networks = {name.removeprefix(NETWORK): array for name, array in tensors.items() if name.startswith(NETWORK)}
    arrays = {name.removeprefix(ENTROPY): array for name, array in tensors.items() if name.startswith(ENTROPY)}
    return FrozenModel(config, networks, spec, arrays, summary.card, summary.path)
