"""Forms `mahalanobis` and `diagonal`: the Mahalanobis softmax in an embedding space of codes.

    log2 p(k) = -log2(e) / 2 sum_r (a_kr - mu_r)^2 / sigma_r^2 + const          a_k: embedding of code k, (R,)

A cell's P = 2 R parameters are (mu, log2 sigma). The integer twin expands the square: B = [pi, -2 pi mu] with
pi = log2(e) / (2 sigma^2) on 256 levels, and A = [a^2, a].

The embedding is the codebook (R = d), as in HVQ-CGIC, or learned. Older model files call the first case `diagonal`.

Source: HVQ-CGIC (Yi et al. 2025, arXiv 2512.07192); the learned embedding is ours.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.index_priors.form import (
    BITS_A_NAT,
    LOG2_SIGMA_MAX,
    LOG2_SIGMA_MIN,
    MEAN_LIMIT,
    Form,
    Grid,
    integer_mean,
    integer_scale,
    sigma_levels,
)


class Mahalanobis(Form):
    """Mahalanobis softmax; the configuration chooses the embedding."""

    name = "mahalanobis"
    code_bits = (12, 11, 10, 9, 8)
    scale_bits = 14

    def parameter_count(self, width: int) -> int:
        """(mu, log2 sigma): 2 width."""
        return 2 * width

    def logits(self, parameters: Tensor, codes: Tensor) -> Tensor:
        """Minus half the squared Mahalanobis distance, in bits."""
        mean, log2_sigma = parameters.chunk(2, 1)
        mean = mean.clamp(-MEAN_LIMIT, MEAN_LIMIT)
        precision = torch.exp2(-2 * log2_sigma.clamp(LOG2_SIGMA_MIN, LOG2_SIGMA_MAX))
        terms = torch.cat([-0.5 * precision, precision * mean], 1)
        return BITS_A_NAT * terms @ torch.cat([codes.square(), codes], 1).t()

    def scale(self) -> NDArray[np.float64]:
        """Pi of each level of sigma."""
        return 0.5 * math.log2(math.e) / sigma_levels() ** 2

    def cost_bits(self, grid: Grid) -> int:
        """Of pi and two factors on the grid of the codes."""
        return self.scale_bits + 2 * grid.code_bits

    def code_terms(self, codes: Tensor) -> Tensor:
        """[a^2, a]."""
        return torch.cat([codes**2, codes], 1).t()

    def cell_terms(self, parameters: Tensor, grid: Grid) -> Tensor:
        """[pi, -2 pi mu]."""
        scale = integer_scale(parameters, grid)
        return torch.cat([scale, -2 * scale * integer_mean(parameters, grid)], 1)

    def largest_terms(self, grid: Grid) -> Tensor:
        """At the smallest sigma and the largest mean."""
        assert grid.scale is not None
        scale = grid.scale.new_full((grid.width,), float(grid.scale.max()))
        return torch.cat([scale, 2 * scale * MEAN_LIMIT * 2.0**grid.code_bits])


class Diagonal(Mahalanobis):
    """Mahalanobis softmax over the codebook."""

    name = "diagonal"
    embedding = "codebook"
