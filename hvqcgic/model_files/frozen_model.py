"""A frozen model: what a codec needs to code and decode, as one safetensors file.

Network weights are stored as float16 and cast to float32 at load, those of Control-GIC as float32, so that its indices
stay the published ones; what shapes probabilities is stored as integers. The metadata hold `config`, `entropy` (the
spec of the integer part), `card` and `fingerprint`, all text. What a header says of itself without torch is read by
`hvqcgic.model_files.registry`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.entropy import EntropyModel
from hvqcgic.errors import ConfigError, ModelError
from hvqcgic.model_files.registry import REVERSE_OF, ModelSummary, find_model, read_summary
from hvqcgic.model_files.stored_weights import (
    Weights,
    as_stored,
    build,
    check_fingerprint,
    fingerprint_of,
    lay_out_for,
    read_tensors,
    write_tensors,
)
from hvqcgic.models import ModelConfig, PictureModel

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
    networks: Weights
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
        return fingerprint_of([config, self.spec], self.tensors())

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
        model = build(lambda: PictureModel(self.config), self.networks, self._label, parts=PARTS)
        if self.config.control_gic is None:
            # Not the encoder's: in another order of summation a feature between two codes might become another index
            # than it was.
            lay_out_for(model.decoder, device)
        return model.to(device)

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


def network_weights(state: dict[str, Tensor], *, half: bool = True) -> Weights:
    """The weights that a file holds, of the state of a `PictureModel` (or of what inherits from it).

    Args:
        state: by name.
        half: as float16, else as float32.

    Raises:
        ModelError: a weight is not finite, or too large for its type.
    """
    return as_stored({name: value for name, value in state.items() if name.startswith(PARTS)}, half=half)


def write_model(model: FrozenModel, path: Path, *, force: bool = False) -> None:
    """Writes a model file, whole or not at all."""
    metadata = {
        "config": json.dumps(model.config.to_dict()),
        "entropy": json.dumps(model.spec),
        "card": json.dumps(model.card),
        "fingerprint": model.fingerprint.hex(),
    }
    write_tensors(path, model.tensors(), metadata, force=force)


def read_model(name_or_path: str | Path) -> FrozenModel:
    """Reads a bundled model by name, or any by its path.

    Raises:
        ModelError: unknown, damaged, or its numbers are not those that its fingerprint was made of.
    """
    path = find_model(name_or_path)
    summary = read_summary(path)
    model = _assemble(summary, read_tensors(path))
    check_fingerprint(path, stated=summary.fingerprint, found=model.fingerprint)
    return model


def _assemble(summary: ModelSummary, tensors: dict[str, NDArray[Any]]) -> FrozenModel:
    if REVERSE_OF in summary.metadata:
        raise ModelError(f"{summary.path}: a reverse path, no model; name the model that it stands behind")
    try:
        config = ModelConfig.from_dict(summary.config)
        spec = json.loads(summary.metadata["entropy"])
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{summary.path}: not a model of this version of hvqcgic ({error})") from error
    networks = {name.removeprefix(NETWORK): array for name, array in tensors.items() if name.startswith(NETWORK)}
    arrays = {name.removeprefix(ENTROPY): array for name, array in tensors.items() if name.startswith(ENTROPY)}
    return FrozenModel(config, networks, spec, arrays, summary.card, summary.path)
