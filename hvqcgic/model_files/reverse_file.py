"""A frozen reverse path: the networks and statistics that a decoder needs beside its model, as a safetensors file.

Weights are stored as float16 and cast to float32 at load, the statistics of the path as float32. The metadata hold
`config`, `card`, `fingerprint`, and `model`, the fingerprint of the model that the path belongs to.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hvqcgic.errors import ConfigError, ModelError
from hvqcgic.model_files.registry import REVERSE_OF, read_reverse_summary
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
from hvqcgic.models import ModelConfig, ReverseConfig, ReverseModel

STATISTICS = ("deviation", "spread")
"""Buffers of a `ReverseModel` that are stored as float32; they have few numbers."""


@dataclass(frozen=True)
class FrozenReverse:
    """A reverse path ready to decode.

    Attributes:
        config: its configuration.
        model_fingerprint: of the model that it belongs to, 8 bytes.
        weights: by their names in a `ReverseModel`; float16, STATISTICS float32.
        card: data, steps, hardware, figures; not part of the fingerprint.
        source: the file it was read from, for messages; None for a newly frozen one.
    """

    config: ReverseConfig
    model_fingerprint: bytes
    weights: Weights
    card: dict[str, Any]
    source: Path | None = None

    @property
    def fingerprint(self) -> bytes:
        """8 bytes over everything that pictures depend on: configuration, model, names, types, shapes and numbers."""
        return fingerprint_of([self.config.to_dict(), self.model_fingerprint.hex()], self.weights)

    def reverse_model(self, model: ModelConfig, device: torch.device) -> ReverseModel:
        """Build its networks, in evaluation mode.

        Args:
            model: configuration of the model that it belongs to.
            device: device of the networks.

        Raises:
            ModelError: weights are missing, unknown or of another shape, or the model supports no reverse path.
        """
        networks = build(lambda: ReverseModel(self.config, model), self.weights, self._label)
        lay_out_for(networks, device)
        return networks.to(device)

    @property
    def _label(self) -> str:
        return str(self.source or "reverse path")


def freeze_reverse(
    model: ReverseModel, model_fingerprint: bytes, *, card: dict[str, Any] | None = None
) -> FrozenReverse:
    """Freeze a reverse path in its present state.

    Args:
        model: trained.
        model_fingerprint: of the frozen model that it belongs to, 8 bytes.
        card: data, steps, hardware, figures, for the file.

    Raises:
        ModelError: a weight is not finite, or too large for float16.
    """
    state = model.state_dict()
    statistics = {name: state.pop(name) for name in STATISTICS}
    return FrozenReverse(
        model.config, model_fingerprint, as_stored(state) | as_stored(statistics, half=False), card or {}
    )


def write_reverse(reverse: FrozenReverse, path: Path, *, force: bool = False) -> None:
    """Write the file of a reverse path, whole or not at all."""
    metadata = {
        "config": json.dumps(reverse.config.to_dict()),
        "card": json.dumps(reverse.card),
        "fingerprint": reverse.fingerprint.hex(),
        REVERSE_OF: reverse.model_fingerprint.hex(),
    }
    write_tensors(path, reverse.weights, metadata, force=force)


def read_reverse(path: Path) -> FrozenReverse:
    """Read the file of a reverse path.

    Raises:
        ModelError: it cannot be read, is no reverse path, is damaged, or its numbers do not have its fingerprint.
    """
    summary = read_reverse_summary(path)
    try:
        config = ReverseConfig.from_dict(summary.config)
    except ConfigError as error:
        raise ModelError(f"{path}: not a reverse path of this version of hvqcgic ({error})") from error
    model_fingerprint = bytes.fromhex(summary.metadata[REVERSE_OF])
    reverse = FrozenReverse(config, model_fingerprint, read_tensors(path), summary.card, path)
    check_fingerprint(path, stated=summary.fingerprint, found=reverse.fingerprint)
    return reverse
