"""The distortion D of decoded pictures, minimised by training and by an encoder's refinement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

Perceptual = Callable[[Tensor, Tensor], Tensor]
"""LPIPS, or a mean of several: function from two batches (B, 3, H, W) in [0, 1] to distances (B,)."""


def mean_of(networks: Sequence[Perceptual]) -> Perceptual:
    """Mean distance of several networks, at least one."""
    return lambda x, y: torch.stack([network(x, y) for network in networks]).mean(0)


class DistortionWeights(Protocol):
    """Weights of the parts of D."""

    @property
    def mse_weight(self) -> float:
        """Weight of the mean squared error on a 0 to 1 scale."""
        ...

    @property
    def l1_weight(self) -> float:
        """Weight of the mean absolute error on a 0 to 1 scale."""
        ...

    @property
    def lpips_weight(self) -> float:
        """Weight of LPIPS."""
        ...


@dataclass(frozen=True)
class Distortion:
    """Parts of D, scalars, on pictures in [0, 1].

    Attributes:
        total: the weighted sum to minimise.
        mse: mean squared error.
        l1: mean absolute error.
        lpips: 0 if not used.
    """

    total: Tensor
    mse: Tensor
    l1: Tensor
    lpips: Tensor


def distortion(
    picture: Tensor,
    decoded: Tensor,
    weights: DistortionWeights,
    perceptual: Perceptual | None,
    *,
    shift: tuple[int, int] = (0, 0),
) -> Distortion:
    """Compute D of a batch.

    Args:
        picture: (B, 3, H, W), in [0, 1].
        decoded: the same shape, not clamped.
        weights: of its parts.
        perceptual: LPIPS; None to omit it.
        shift: numbers of upper rows and left columns that are hidden from LPIPS.
    """
    mse, l1 = F.mse_loss(decoded, picture), F.l1_loss(decoded, picture)
    rows, columns = shift
    seen = (decoded[..., rows:, columns:], picture[..., rows:, columns:])
    lpips = perceptual(*seen).mean() if perceptual is not None else mse.new_zeros(())
    total = weights.mse_weight * mse + weights.l1_weight * l1 + weights.lpips_weight * lpips
    return Distortion(total, mse, l1, lpips)
