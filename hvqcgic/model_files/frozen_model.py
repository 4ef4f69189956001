"""A frozen model: everything that a codec needs to code and decode, as one safetensors file.

Network weights are stored as float16 and cast to float32 at load. Control-GIC's weights are stored as float32, so that
indices equal the published ones. All tables that affect probabilities are stored as integers. The metadata hold
`config`, `entropy` (the spec of the integer part), `card` and `fingerprint`, all as text.
`hvqcgic.model_files.registry` reads the metadata without torch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.entropy import EntropyModel
from hvqcgic.errors import ConfigError, ModelError
from hvqcgic.model_files.registry import REVERSE_OF, ModelSummary, find_model, read_summary, successor_of
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
from hvqcgic.models import ModelConfig, PictureModel, ProxyConfig, ProxyDecoder, largest_latent, parameter_count
from hvqcgic.schema import parse_json

NETWORK, ENTROPY, PROXY = "network.", "entropy.", "proxy."
PARTS = ("encoder.", "decoder.", "analysis.", "quantiser.codebook")
"""Parts of a `PictureModel` that a file holds, beside the proxy decoder."""


@dataclass(frozen=True)
class FrozenProxy:
    """A proxy decoder ready to use; no file depends on it.

    Attributes:
        config: its configuration.
        weights: float16, by their names in a `ProxyDecoder`.
    """

    config: ProxyConfig
    weights: Weights

    @property
    def fingerprint(self) -> bytes:
        """8 bytes over its configuration and weights."""
        return fingerprint_of([self.config.to_dict()], self.weights)


@dataclass(frozen=True)
class FrozenModel:
    """A model ready to code.

    Attributes:
        config: its configuration.
        networks: float16 or float32 weights by name, of the parts of a `PictureModel` in PARTS.
        spec: spec of the integer part, for `EntropyModel`.
        arrays: integer tables, for `EntropyModel`.
        card: data, steps, hardware, figures; not part of the fingerprint.
        source: the file it was read from, for messages; None for a newly frozen model.
        proxy: its proxy decoder; not part of the fingerprint. None for a model without.
    """

    config: ModelConfig
    networks: Weights
    spec: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    card: dict[str, Any]
    source: Path | None = None
    proxy: FrozenProxy | None = None

    @property
    def fingerprint(self) -> bytes:
        """8 bytes over everything that decoding needs: SHA-256 of configuration, spec and tensors.

        A tensor counts with its name, type, shape and numbers. The model's name, default ratios and card are excluded,
        because they may change without a new model.
        """
        config = {key: value for key, value in self.config.to_dict().items() if key not in ("name", "default_ratios")}
        return fingerprint_of([config, self.spec], self.tensors())

    @property
    def is_half(self) -> bool:
        """Whether network weights are float16."""
        return any(array.dtype == np.float16 for array in self.networks.values())

    def tensors(self) -> dict[str, NDArray[Any]]:
        """All tensors that decoding needs under their names in a file."""
        networks = {NETWORK + name: array for name, array in self.networks.items()}
        return networks | {ENTROPY + name: array for name, array in self.arrays.items()}

    def picture_model(self, device: torch.device) -> PictureModel:
        """Build the picture networks, in evaluation mode.

        Raises:
            ModelError: weights are missing, unknown or of another shape.
        """
        proxy, weights = self.proxy, dict(self.networks)
        if proxy is not None:
            weights |= {PROXY + name: array for name, array in proxy.weights.items()}
        model = build(
            lambda: PictureModel(self.config, proxy.config if proxy else None),
            weights,
            self._label,
            parts=(*PARTS, PROXY),
        )
        if self.config.control_gic is None:
            # The encoder keeps its layout: another order of summation could change the index of a feature
            # between two codes.
            lay_out_for(model.decoder, device)
            if model.proxy is not None:
                lay_out_for(model.proxy, device)
        return model.to(device)

    def entropy_model(self) -> EntropyModel:
        """Build the integer part.

        Raises:
            ModelError: its tables do not fit together.
        """
        try:
            model = EntropyModel(self.spec, self.arrays)
        except ModelError as error:
            raise ModelError(f"{self._label}: {error}") from error
        self._check_same(model)
        return model

    def _check_same(self, model: EntropyModel) -> None:
        """Raise ModelError if the integer part is that of another configuration."""
        config, latents = self.config, model.hyper_latents
        channels = zip(GRANULARITIES, config.entropy.z_channels, strict=True)
        pairs: dict[str, tuple[object, object]] = {
            "codebook": (model.codebook_shape, (config.codebook_size, config.code_width)),
            "schedule": (tuple(step.name for step in model.walk.schedule), tuple(config.entropy.schedule)),
            "decoder_prior": (model.decoder_prior, config.backbone.decoder_prior),
            "index prior": (model.prior.parameter_count, parameter_count(config.entropy, config.code_width)),
            "z": (
                {g: (prior.channels, prior.limit) for g, prior in latents.priors.items()},
                {g: (count, config.entropy.z_limit) for g, count in channels if count},
            ),
            "z_footprint": (latents.footprint, config.entropy.z_footprint),
            "means": (
                (latents.block_px, latents.means.limit) if latents.means else None,
                (config.means.block_px, largest_latent(config.means)) if config.means else None,
            ),
        }
        for name, (found, expected) in pairs.items():
            if found != expected:
                raise ModelError(f"{self._label}: {name} of its tables {found}, of its configuration {expected}")

    @property
    def _label(self) -> str:
        return str(self.source or f"model {self.config.name}")


def network_weights(state: dict[str, Tensor], *, half: bool = True) -> Weights:
    """Select the weights for a file from the state of a `PictureModel` (or of a subclass).

    Args:
        state: weights by name.
        half: True for float16, False for float32.

    Raises:
        ModelError: a weight is not finite, or too large for its type.
    """
    return as_stored({name: value for name, value in state.items() if name.startswith(PARTS)}, half=half)


def frozen_proxy(proxy: ProxyDecoder) -> FrozenProxy:
    """A proxy decoder for a file; raise `ModelError` for a weight that is not finite, or too large for float16."""
    return FrozenProxy(proxy.config, as_stored(proxy.state_dict()))


def write_model(model: FrozenModel, path: Path, *, force: bool = False) -> None:
    """Write a model file, whole or not at all."""
    metadata = {
        "config": json.dumps(model.config.to_dict()),
        "entropy": json.dumps(model.spec),
        "card": json.dumps(model.card),
        "fingerprint": model.fingerprint.hex(),
    }
    tensors = model.tensors()
    if model.proxy is not None:
        described = {"config": model.proxy.config.to_dict(), "fingerprint": model.proxy.fingerprint.hex()}
        metadata["proxy"] = json.dumps(described)
        tensors |= {PROXY + name: array for name, array in model.proxy.weights.items()}
    write_tensors(path, tensors, metadata, force=force)


def read_model(name_or_path: str | Path) -> FrozenModel:
    """Read a bundled model by its name, or any model file by its path.

    Raises:
        ModelError: it is unknown or damaged, or its numbers do not have its fingerprint.
    """
    path = find_model(name_or_path)
    summary = read_summary(path)
    model = _assemble(summary, read_tensors(path))
    check_fingerprint(path, stated=summary.fingerprint, found=model.fingerprint)
    return model


def config_of(summary: ModelSummary) -> ModelConfig:
    """The configuration in a model file's header.

    Raises:
        ModelError: it is none, or one of another version.
    """
    try:
        return ModelConfig.from_dict(summary.config)
    except ConfigError as error:
        raise _foreign(summary, error) from error


def _foreign(summary: ModelSummary, error: Exception) -> ModelError:
    what = f"{error} is missing" if isinstance(error, KeyError) else error
    return ModelError(f"{summary.path}: not a model of this version of hvqcgic ({what})")


def _assemble(summary: ModelSummary, tensors: dict[str, NDArray[Any]]) -> FrozenModel:
    if REVERSE_OF in summary.metadata:
        raise ModelError(f"{summary.path}: a reverse path, no model; name the model that it belongs to")
    config = config_of(summary)
    try:
        spec = parse_json(summary.metadata["entropy"], "entropy")
    except (ConfigError, KeyError) as error:
        raise _foreign(summary, error) from error
    if successor_of(summary.path) is not None:
        # The file was not changed when the model was replaced, and holds the name of its successor.
        config = replace(config, name=summary.name)
    networks = {name.removeprefix(NETWORK): array for name, array in tensors.items() if name.startswith(NETWORK)}
    arrays = {name.removeprefix(ENTROPY): array for name, array in tensors.items() if name.startswith(ENTROPY)}
    return FrozenModel(config, networks, spec, arrays, summary.card, summary.path, _proxy(summary, tensors))


def _proxy(summary: ModelSummary, tensors: dict[str, NDArray[Any]]) -> FrozenProxy | None:
    """The proxy decoder in a model file; None if it has none."""
    if "proxy" not in summary.metadata:
        return None
    try:
        described = parse_json(summary.metadata["proxy"], "proxy")
        config, stated = ProxyConfig.from_dict(described["config"]), bytes.fromhex(described["fingerprint"])
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise _foreign(summary, error) from error
    weights = {name.removeprefix(PROXY): array for name, array in tensors.items() if name.startswith(PROXY)}
    proxy = FrozenProxy(config, weights)
    check_fingerprint(summary.path, stated=stated, found=proxy.fingerprint)
    return proxy
