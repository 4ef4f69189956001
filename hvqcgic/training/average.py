"""Moving average of the weights in training; validation, export and --init use the average if there is one.

The codebook and its usage counts are not averaged: they are moving averages already, and a revived code has no
meaningful mean with its former value. The discriminator is not part of a model and is not averaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

CHECKPOINT_KEY = "average"
"""Key of the average in a checkpoint; a checkpoint without it was trained without an average."""


class WeightAverage:
    """Exponential moving average of named weights.

    Source: Polyak and Juditsky 1992; decay rises as (1 + n) / (10 + n) to its value, as in TensorFlow's
    `ExponentialMovingAverage`, so that a short training does not keep its initial weights.
    """

    def __init__(self, decay: float) -> None:
        """Args: decay: share of the average that one step keeps, 0 to 1."""
        self.decay = decay
        self.updates = 0
        self._averages: dict[str, Tensor] = {}

    def start(self, weights: Mapping[str, nn.Parameter]) -> None:
        """Continue a loaded state if it has the same weights, else start at the weights; use their device."""
        if not self._averages:
            self._averages = {name: weight.detach().clone() for name, weight in weights.items()}
        self._averages = {name: self._averages[name].to(weight.device) for name, weight in weights.items()}

    def update(self, weights: Mapping[str, nn.Parameter]) -> None:
        """Update the average after a step.

        Determinism: same-device.
        """
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        averages = [self._averages[name] for name in weights]
        get_ema_multi_avg_fn(decay)(averages, [weight.detach() for weight in weights.values()], self.updates)
        self.updates += 1

    @contextmanager
    def in_place_of(self, weights: Mapping[str, nn.Parameter]) -> Iterator[None]:
        """Replace the weights by the average; restore them to the last bit when the context ends."""
        self._swap(weights)
        try:
            yield
        finally:
            self._swap(weights)

    def _swap(self, weights: Mapping[str, nn.Parameter]) -> None:
        for name, weight in weights.items():
            weight.data, self._averages[name] = self._averages[name], weight.data

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"updates": self.updates, "weights": self._averages}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load the state of a checkpoint."""
        self.updates = state["updates"]
        self._averages = {name: value.clone() for name, value in state["weights"].items()}


def weights_of(checkpoint: Mapping[str, Any], *, raw: bool = False) -> dict[str, Tensor]:
    """Return the module state of a checkpoint, with averaged weights if there is an average.

    Args:
        checkpoint: of a training, with or without an average.
        raw: return the weights of the last step instead.
    """
    averages = {} if raw else checkpoint.get(CHECKPOINT_KEY, {}).get("weights", {})
    return {**checkpoint["state_dict"], **averages}
