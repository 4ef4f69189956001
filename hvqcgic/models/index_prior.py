"""The index prior in floating point: parameters of a cell to log-probabilities of all codes (design, section 3).

With codes e_k and the log-prior b_g of a granularity in bits, log2 p(k | cell) is, less what is the same for all codes,

    diagonal     b_gk - log2(e) / 2 sum_d (e_kd - mu_d)^2 / sigma_d^2       HVQ-CGIC's softmax, plus b
    quadratic    b_gk - log2(e) / 2 (e_k - mu)^T L L^T (e_k - mu)           L lower triangular, diagonal 1 / sigma
    learned      b_gk + sum_r A_kr r_r                                      A, (K, R), learned

and a cell's parameters are (mu, log2 sigma), (mu, log2 sigma, L below the diagonal row by row), or r. The integer twin
that files are coded with is in `entropy`; training uses this one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hvqcgic.models.config import EntropyConfig

LOG2_SIGMA_MIN, LOG2_SIGMA_MAX = -5.0, 3.0 - 1 / 32
"""Bounds of sigma, so that a miss never costs without limit: 256 levels of 1/32 octave."""

MEAN_LIMIT = 8.0
"""Bound of mu and of the off-diagonal entries of a precision's Cholesky factor."""

BITS_A_NAT = 1 / math.log(2)


def parameter_count(config: EntropyConfig, code_width: int) -> int:
    """P: numbers that a context network gives for a cell: R, 2 d, or 2 d + d (d - 1) / 2."""
    if config.form == "learned":
        return config.rank
    if config.form == "diagonal":
        return 2 * code_width
    return 2 * code_width + code_width * (code_width - 1) // 2


class IndexPrior(nn.Module):
    """Log-prior b (3, K), in bits, and for the form `learned` the features A (K, R) of the codes."""

    def __init__(self, config: EntropyConfig, codebook_size: int, code_width: int) -> None:
        """Args: config: form, rank, log_prior; codebook_size: K; code_width: d."""
        super().__init__()
        self.config = config
        self.log_prior = nn.Parameter(torch.zeros(3, codebook_size), requires_grad=config.log_prior)
        if config.form == "learned":
            self.features = nn.Parameter(torch.randn(codebook_size, config.rank) * 0.1)

    @torch.no_grad()
    def start(self, usage: Tensor, codebook: Tensor) -> None:
        """Starts where static coding is: b at the log-probabilities of usage counts, A at polynomials of the codes.

        Args:
            usage: counts of each granularity and code, (3, K).
            codebook: (K, d).
        """
        if self.config.log_prior:
            share = (usage + 0.5) / (usage + 0.5).sum(1, keepdim=True)
            self.log_prior.copy_(torch.log2(share))
        if self.config.form == "learned":
            code = (codebook - codebook.mean(0)) / codebook.std(0).clamp(min=1e-6)
            row, column = torch.triu_indices(code.shape[1], code.shape[1])
            polynomial = torch.cat([code, code[:, row] * code[:, column] - (row == column).float()], 1)
            width = min(polynomial.shape[1], self.config.rank)
            self.features[:, :width] = polynomial[:, :width]

    def forward(self, parameters: Tensor, granularity: int, codebook: Tensor) -> Tensor:
        """Unnormalised log-probabilities of all codes.

        Args:
            parameters: (N, P), see `parameter_count`.
            granularity: 0 coarse, 1 medium, 2 fine.
            codebook: (K, d).
        Returns:
            (N, K), in bits.
        """
        bias = self.log_prior[granularity]
        if self.config.form == "learned":
            return torch.addmm(bias, parameters, self.features.t())
        mean, precision = self.gaussian(parameters, codebook.shape[1])
        quadratic = (codebook[:, :, None] * codebook[:, None, :]).flatten(1)
        pull = torch.einsum("nij,nj->ni", precision, mean)
        energy = 0.5 * precision.flatten(1) @ quadratic.t() - pull @ codebook.t()
        return bias - BITS_A_NAT * energy

    def gaussian(self, parameters: Tensor, code_width: int) -> tuple[Tensor, Tensor]:
        """Mean and precision of the forms `diagonal` and `quadratic`, from bounded parameters.

        Args:
            parameters: (N, P).
            code_width: d.
        Returns:
            (mean, (N, d); precision matrix, (N, d, d)).
        """
        d = code_width
        mean = parameters[:, :d].clamp(-MEAN_LIMIT, MEAN_LIMIT)
        inverse_sigma = torch.exp2(-parameters[:, d : 2 * d].clamp(LOG2_SIGMA_MIN, LOG2_SIGMA_MAX))
        factor = torch.diag_embed(inverse_sigma)
        if self.config.form == "quadratic":
            row, column = torch.tril_indices(d, d, -1, device=parameters.device)
            factor[:, row, column] = parameters[:, 2 * d :].clamp(-MEAN_LIMIT, MEAN_LIMIT)
        return mean, factor @ factor.transpose(1, 2)


def code_moments(logits: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of a cell's code under the prior.

    Args:
        logits: unnormalised log-probabilities in bits, (N, K).
        codebook: (K, d).
    Returns:
        (N, d) each.
    """
    share = torch.softmax(logits * math.log(2), 1)
    mean, square = (share @ torch.cat([codebook, codebook.square()], 1)).chunk(2, 1)
    return mean, (square - mean.square()).clamp(min=0).sqrt()


def index_bits(logits: Tensor, indices: Tensor) -> Tensor:
    """Bits of the chosen indices.

    Args:
        logits: unnormalised log-probabilities in bits, (N, K).
        indices: int64, (N,), in [0, K).
    Returns:
        (N,), at least 0.
    """
    total = torch.logsumexp(logits * math.log(2), 1) * BITS_A_NAT
    return total - logits.gather(1, indices[:, None])[:, 0]
