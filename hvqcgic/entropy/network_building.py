"""Construction of the networks of a frozen model, with checks that they fit each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.bitstream import CELL_PX, GRANULARITIES, MEANS, Pass
from hvqcgic.entropy.exact_layers import LayerSpec, Precision
from hvqcgic.entropy.exact_network import ExactNetwork
from hvqcgic.entropy.hyper_latents import HyperLatentCoder
from hvqcgic.entropy.means_coding import CHANNELS
from hvqcgic.errors import ModelError


class NetworkBuilder:
    """Builds networks by name from a model's specs and arrays; raises ModelError if a plane does not fit."""

    def __init__(
        self, specs: Mapping[str, Sequence[LayerSpec]], arrays: Mapping[str, NDArray[Any]], precision: Precision
    ) -> None:
        self.specs = specs
        self.arrays = arrays
        self.precision = precision
        self.one = 2.0**precision.activation_bits

    def all_syntheses(self, latents: HyperLatentCoder) -> dict[str, dict[str, ExactNetwork]]:
        """Hyper-syntheses of each granularity, by the hyper-latents that they read, in the order of their hints."""
        found: dict[str, dict[str, ExactNetwork]] = {g: {} for g in GRANULARITIES}
        for g, prior in latents.priors.items():
            found[g][g] = self._synthesis(f"synthesis.{g}", (prior.channels, prior.limit), latents.footprint)
        if latents.means:
            for g in GRANULARITIES:
                bound, factor = (CHANNELS, latents.means.limit), latents.block_px // CELL_PX[g]
                found[g][MEANS] = self._synthesis(f"means.{g}", bound, factor)
        return found

    def _synthesis(self, name: str, bound: tuple[int, int], factor: int) -> ExactNetwork:
        """Hyper-synthesis: latents (channels, magnitude) to hints, `factor` times the size."""
        channels, limit = bound
        network = self._network(name, np.full(channels, limit * self.one))
        self._check_size(network, (2, 3), (2 * factor, 3 * factor))
        return network

    def context(
        self, step: Pass, syntheses: Mapping[str, ExactNetwork], embeddings: Tensor, parameters: int
    ) -> ExactNetwork:
        """The network of a pass: hints, codes, known flag and masks to the prior's parameters."""
        hints = np.concatenate([np.zeros(0), *(network.output_bound for network in syntheses.values())])
        codes = embeddings.abs().amax(0).numpy()
        network = self._network(f"context.{step.name}", np.concatenate([hints, codes, np.full(4, self.one)]))
        if len(network.output_bound) != parameters:
            raise ModelError(
                f"{network.name} gives {len(network.output_bound)} numbers a cell, the prior takes {parameters}"
            )
        self._check_size(network, (8, 12), (4, 6) if step.phases == 4 else (8, 12))
        return network

    def _network(self, name: str, input_bound: NDArray[np.float64]) -> ExactNetwork:
        return ExactNetwork(name, self.specs[name], self.arrays, precision=self.precision, input_bound=input_bound)

    def _check_size(self, network: ExactNetwork, given: tuple[int, int], expected: tuple[int, int]) -> None:
        found = network.output_size(*given)
        if found != expected:
            raise ModelError(f"{network.name} turns {given} positions into {found}, not {expected}")
