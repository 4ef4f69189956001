"""Form `quadratic`: the Mahalanobis softmax over a Gaussian of full covariance in the space of the codes.

    log2 p(k) = -log2(e) / 2 (a_k - mu)^T L L^T (a_k - mu) + const         L: lower triangular, diagonal 1 / sigma

A cell's P = 2 d + d (d - 1) / 2 numbers are (mu, log2 sigma, L below the diagonal row by row). The integer twin takes
B = [Lambda, -2 Lambda mu] with Lambda = log2(e) / 2 L L^T, and A = [a a^T, a].

Kept for models that were trained with it: beside context passes it loses to `learned` (docs/results.md).
"""

from __future__ import annotations

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
    round_to,
    sigma_levels,
)

PRECISION_BITS = 14
"""Fractional bits of Lambda, in bits."""


class Quadratic(Form):
    """See the module."""

    name = "quadratic"
    embedding = "codebook"
    code_bits = (12, 11, 10, 9, 8)
    scale_bits = 10

    def parameter_count(self, width: int) -> int:
        """(mu, log2 sigma, L below the diagonal): 2 d + d (d - 1) / 2."""
        return 2 * width + width * (width - 1) // 2

    def logits(self, parameters: Tensor, codes: Tensor) -> Tensor:
        """Minus half the squared Mahalanobis distance, in bits."""
        d = codes.shape[1]
        mean = parameters[:, :d].clamp(-MEAN_LIMIT, MEAN_LIMIT)
        factor = torch.diag_embed(torch.exp2(-parameters[:, d : 2 * d].clamp(LOG2_SIGMA_MIN, LOG2_SIGMA_MAX)))
        row, column = torch.tril_indices(d, d, -1, device=parameters.device)
        factor[:, row, column] = parameters[:, 2 * d :].clamp(-MEAN_LIMIT, MEAN_LIMIT)
        precision = factor @ factor.transpose(1, 2)
        square = (codes[:, :, None] * codes[:, None, :]).flatten(1)
        pull = torch.einsum("nij,nj->ni", precision, mean)
        return BITS_A_NAT * (pull @ codes.t() - 0.5 * precision.flatten(1) @ square.t())

    def scale(self) -> NDArray[np.float64]:
        """1 / sigma of each level."""
        return 1 / sigma_levels()

    def cost_bits(self, grid: Grid) -> int:
        """Of Lambda and two factors on the grid of the codes."""
        return PRECISION_BITS + 2 * grid.code_bits

    def code_terms(self, codes: Tensor) -> Tensor:
        """[lower triangle of a a^T, a]."""
        i, j = torch.tril_indices(codes.shape[1], codes.shape[1])
        return torch.cat([codes[:, i] * codes[:, j], codes], 1).t()

    def cell_terms(self, parameters: Tensor, grid: Grid) -> Tensor:
        """[Lambda, -2 Lambda mu]."""
        factor = torch.diag_embed(integer_scale(parameters, grid))
        i, j = torch.tril_indices(grid.width, grid.width, -1)
        off = parameters[:, 2 * grid.width :] * 2.0**-grid.activation_bits
        factor[:, i, j] = round_to(off.clamp(-MEAN_LIMIT, MEAN_LIMIT), self.scale_bits)
        return torch.cat(self._terms(factor, integer_mean(parameters, grid)), 1)

    def largest_terms(self, grid: Grid) -> Tensor:
        """At the smallest sigma, the largest mean and the largest entries off the diagonal."""
        assert grid.scale is not None
        mean = grid.scale.new_full((grid.width,), MEAN_LIMIT * 2.0**grid.code_bits)
        diagonal = torch.diag(grid.scale.new_full((grid.width,), float(grid.scale.max())))
        off = grid.scale.new_full((grid.width, grid.width), MEAN_LIMIT * 2.0**self.scale_bits).tril(-1)
        square, linear = self._terms((off + diagonal)[None], -mean[None])
        return torch.cat([square[0] + 2, linear[0] + 4 * grid.width * mean])

    def _terms(self, factor: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """The cell's side of the product.

        Args:
            factor: L, (N, d, d) lower triangular, at 2^-scale_bits.
            mean: mu, (N, d).
        Returns:
            Lambda at 2^-PRECISION_BITS, its lower triangle with off-diagonal entries doubled, (N, d (d + 1) / 2); and
            -2 Lambda mu, (N, d).
        """
        half_log2e = 47274.0  # round(2^16 log2(e) / 2)
        shift = 2.0 ** (PRECISION_BITS - 16 - 2 * self.scale_bits)
        precision = torch.floor(torch.bmm(factor, factor.transpose(1, 2)).mul_(half_log2e).mul_(shift).add_(0.5))
        i, j = torch.tril_indices(*factor.shape[1:])
        weight = 1.0 + (i != j).double()
        linear = torch.bmm(precision, mean[:, :, None])[:, :, 0].mul_(-2)
        return precision[:, i, j] * weight, linear
