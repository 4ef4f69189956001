"""Muon for hidden convolutions, AdamW for all other weights, in one optimiser.

Sources: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; Liu et al. 2025, "Muon is
scalable for LLM training" (scale of a step). torch.optim.Muon takes matrices only, and multiplies them in bfloat16:
on a processor without instructions for that, some fifteen times slower than in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.95
RMS = 0.5
"""Root mean square of a step at learning rate 1. 0.2 is about that of AdamW; 0.5 learns faster (stage backbone)."""

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
MORE_CHANNELS = 16
"""A hidden convolution has more channels than this on both sides; fewer are those of pictures and codes."""


def is_hidden(weight: Tensor) -> bool:
    """Whether a weight is a convolution's between two hidden layers: neither of pictures, nor of codes."""
    return weight.ndim == 4 and min(weight.shape[:2]) > MORE_CHANNELS


def split_hidden(groups: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Groups of weights, each divided into hidden convolutions and all others; "hidden" says which."""
    found = []
    for group in groups:
        weights = list(group["params"])
        for hidden in (False, True):
            some = [weight for weight in weights if is_hidden(weight) == hidden]
            found += [group | {"params": some, "hidden": hidden}] if some else []
    return found


def orthogonal(matrix: Tensor) -> Tensor:
    """U S V^T of a matrix A = U D V^T, with all of S near 1 where D is not much smaller than its largest value.

    Five steps of Newton and Schulz: X <- a X + b (X X^T) X + c (X X^T)^2 X. Each step multiplies X by a polynomial of
    the Gram matrix G = X X^T. All these polynomials commute, so the steps are computed on G, and X is multiplied once.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonal(matrix.mT).mT
    x = matrix / matrix.norm().clamp(min=1e-12)
    a, b, c = COEFFICIENTS
    gram = x @ x.mT
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    product = identity
    for _ in range(ITERATIONS):
        step = torch.addmm(gram, gram, gram, beta=b, alpha=c).add_(identity, alpha=a)
        product, gram = step @ product, step @ gram @ step
    return product @ x


class Muon(torch.optim.AdamW):
    """AdamW, but in the "hidden" groups of `split_hidden` the momentum, made orthogonal, moves the weights."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of all groups."""
        groups = self.param_groups
        self.param_groups = [group for group in groups if not group["hidden"]]
        try:
            loss = super().step(closure)
        finally:
            self.param_groups = groups
        hidden = [(weight, group) for group in groups if group["hidden"] for weight in group["params"]]
        for weight, group in hidden:
            if weight.grad is not None:
                # A training in bfloat16 may ask for a step where matrices are multiplied in that.
                with torch.autocast(weight.device.type, enabled=False):
                    self._move(weight, weight.grad, group)
        return loss

    def _move(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Moves a convolution, (out, in, height, width), as a matrix of `out` rows."""
        state = self.state[weight]
        if not state:
            # Under AdamW's names, as AdamW loads them.
            state.update(step=torch.zeros(()), exp_avg=torch.zeros_like(weight))
        state["step"] += 1
        momentum = state["exp_avg"].lerp_(gradient, 1 - MOMENTUM)
        moved = orthogonal(gradient.lerp(momentum, MOMENTUM).flatten(1))
        scale = RMS * max(moved.shape) ** 0.5
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(moved.view_as(weight), alpha=-group["lr"] * scale)
