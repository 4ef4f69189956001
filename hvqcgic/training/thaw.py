"""Thawing: convert a frozen model file back to float weights for further training.

Integer weights divided by their scale equal the float weights to 2^-14. Only the factorised priors of the hyper-latents
are frozen as tables without weights; new weights are fitted to these tables.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.entropy import BIAS_BITS
from hvqcgic.model_files import RECORD_KEY, FrozenModel, read_model
from hvqcgic.models import ClampedConv, HvqModel, ProxyDecoder
from hvqcgic.training.config import TrainingConfig
from hvqcgic.training.provenance import recorded
from hvqcgic.training.rate import HyperLatentPriors


def thaw_model(frozen: FrozenModel, *, prior_steps: int = 400) -> tuple[HvqModel, HyperLatentPriors]:
    """Build the float form of a frozen model, and the priors of its hyper-latents.

    Args:
        frozen: of a model file.
        prior_steps: optimiser steps for the fit of the hyper-latents' priors; 400 take some seconds.

    Determinism: same-device; the fit starts from the global generator's state.
    """
    model = thaw_networks(frozen)
    priors = HyperLatentPriors(model.z_channels)
    for g in model.z_channels:
        _fit_prior(priors, g, frozen.arrays[f"z.{g}"], prior_steps)
    return model, priors


def thaw_networks(frozen: FrozenModel) -> HvqModel:
    """Build the float form of a frozen model, without the priors of its hyper-latents, which only the rate needs."""
    model = HvqModel(frozen.config)
    if frozen.proxy is not None:
        model.proxy = ProxyDecoder(frozen.proxy.config, model.decoder)
        model.proxy.load_state_dict({name: _as_float(array) for name, array in frozen.proxy.weights.items()})
    networks = {name: _as_float(array) for name, array in frozen.networks.items()}
    model.load_state_dict(networks, strict=False)
    named = {f"context.{step.name}": model.context_of(step) for step in model.passes}
    named |= {f"synthesis.{g}": network for g, network in model.synthesis.items()}
    named |= {f"means.{g}": network for g, network in model.means_synthesis.items()}
    for name, network in named.items():
        _thaw_network(
            name, network, frozen.arrays, frozen.config.entropy.weight_bits, frozen.config.entropy.activation_bits
        )
    with torch.no_grad():
        model.prior.log_prior.copy_(_scaled(frozen.arrays["prior.bias"], BIAS_BITS))
        if frozen.config.entropy.learns_embedding:
            code_bits = int(frozen.spec["prior"]["code_bits"])
            model.prior.features.copy_(_scaled(frozen.arrays["prior.codes"], code_bits))
        _thaw_quantiser(model, frozen.arrays["usage"])
    return model


def thawed_checkpoint(name_or_path: str | Path) -> dict[str, Any]:
    """Load a bundled model or a model file in the form of a checkpoint of stage joint, for `hvqcgic.training.stages`.

    Raises:
        ModelError: there is no such model, or its file is damaged.
    """
    frozen = read_model(name_or_path)
    model, priors = thaw_model(frozen)
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    state |= {f"priors.{name}": value for name, value in priors.state_dict().items()}
    return {
        "state_dict": state,
        "hyper_parameters": {
            "model": model.config.to_dict(),
            "training": vars(TrainingConfig()),
            "stage": "joint",
            "proxy": frozen.proxy.config.to_dict() if frozen.proxy else None,
        },
        "step_index": 0,
        RECORD_KEY: recorded(frozen.card),
    }


def _thaw_network(
    name: str, network: torch.nn.Module, arrays: dict[str, NDArray[Any]], weight_bits: int, activation_bits: int
) -> None:
    convolutions = [layer.convolution for layer in network.children() if isinstance(layer, ClampedConv)]
    for number, convolution in enumerate(convolutions):
        assert convolution.bias is not None
        with torch.no_grad():
            convolution.weight.copy_(_scaled(arrays[f"{name}.conv{number}.weight"], weight_bits))
            convolution.bias.copy_(_scaled(arrays[f"{name}.conv{number}.bias"], weight_bits + activation_bits))


def _thaw_quantiser(model: HvqModel, usage: NDArray[Any]) -> None:
    """Load usage counts; the moving average starts at the codes, as if each had been used equally often."""
    quantiser = model.quantiser
    quantiser.usage.copy_(torch.from_numpy(usage.astype(np.float32)))
    share = quantiser.usage.sum(0) / quantiser.usage.sum().clamp(min=1)
    quantiser.cluster_size.copy_((share * len(share)).clamp(min=0.25))
    quantiser.cluster_sum.copy_(quantiser.codebook * quantiser.cluster_size[:, None])
    quantiser.initialised.fill_(True)


def _fit_prior(priors: HyperLatentPriors, granularity: str, table: NDArray[Any], steps: int) -> None:
    """Fit a prior to a frozen table, (C_z, 2 limit + 1), by gradient descent on the cross-entropy."""
    channels, width = table.shape
    target = torch.from_numpy(table.astype(np.float64)).float()
    target = target / target.sum(1, keepdim=True)
    limit = width // 2
    values = torch.arange(-limit, limit + 1, dtype=torch.float32).expand(1, channels, 1, -1)
    weights = [weight for name, weight in priors.priors[granularity].named_parameters() if "quantiles" not in name]
    optimiser = torch.optim.Adam(weights, 0.02)
    priors.eval()
    for _ in range(steps):
        loss = (target * priors.bits(granularity, values)[0, :, 0]).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    priors.train()


def _as_float(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))


def _scaled(integers: NDArray[Any], bits: int) -> Tensor:
    return torch.from_numpy(integers.astype(np.float64) * 2.0**-bits).float()
