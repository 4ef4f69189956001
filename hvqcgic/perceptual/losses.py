"""The distortion D of decoded pictures, which training minimises and an encoder may, too, for one picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

Perceptual = Callable[[Tensor, Tensor], Tensor]
"""LPIPS, or a mean of several: pictures (B, 3, H, W) in [0, 1], twice, to distances (B,)."""


def mean_of(networks: Sequence[Perceptual]) -> Perceptual:
    """The mean distance of several networks, at least one."""
    return lambda x, y: torch.stack([network(x, y) for network in networks]).mean(0)


class DistortionWeights(Protocol):
    """What the parts of D count."""

    @property
    def mse_weight(self) -> float:
        """Of the mean squared error on a 0 to 1 scale."""
        ...

    @property
    def l1_weight(self) -> float:
        """Of the mean absolute error on a 0 to 1 scale."""
        ...

    @property
    def lpips_weight(self) -> float:
        """Of LPIPS."""
        ...


@dataclass(frozen=True)
class Distortion:
    """Parts of D, scalars, on pictures in [0, 1].

    Attributes:
        total: the weighted sum that is minimised.
        mse: mean squared error.
        l1: mean absolute error.
        lpips: 0 where it is not used.
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
    """D of a batch.

    Args:
        picture: (B, 3, H, W), in [0, 1].
        decoded: the same shape, not clamped.
        weights: of its parts.
        perceptual: LPIPS, or None to leave it out.
        shift: rows and columns, from the upper left, that LPIPS does not see.
    """
    mse, l1 = F.mse_loss(decoded, picture), F.l1_loss(decoded, picture)
    rows, columns = shift
    seen = (decoded[..., rows:, columns:], picture[..., rows:, columns:])
    lpips = perceptual(*seen).mean() if perceptual is not None else mse.new_zeros(())
    total = weights.mse_weight * mse + weights.l1_weight * l1 + weights.lpips_weight * lpips
    return Distortion(total, mse, l1, lpips)
