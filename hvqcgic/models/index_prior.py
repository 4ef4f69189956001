"""The index prior in floating point: parameters of a cell to log-probabilities of all codes (design, section 3).

With the log-prior b_g of a granularity in bits, log2 p(k | cell) is b_gk plus what the form says (`index_priors`), less
what is the same for all codes. Files are coded with the integer twin, `hvqcgic.entropy.IndexPrior`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hvqcgic.index_priors import BITS_A_NAT, form_named
from hvqcgic.models.config import EntropyConfig


def parameter_count(config: EntropyConfig, code_width: int) -> int:
    """P: numbers that a context network gives for a cell."""
    return form_named(config.form).parameter_count(config.embedding_width if config.learns_embedding else code_width)


class IndexPrior(nn.Module):
    """Log-prior b (3, K), in bits, and features A (K, R) of the codes where the form learns them."""

    def __init__(self, config: EntropyConfig, codebook_size: int, code_width: int) -> None:
        """Args: config: form, rank, log_prior; codebook_size: K; code_width: d."""
        super().__init__()
        self.config = config
        self.form = form_named(config.form)
        self.log_prior = nn.Parameter(torch.zeros(3, codebook_size), requires_grad=config.log_prior)
        if config.learns_embedding:
            self.features = nn.Parameter(torch.randn(codebook_size, config.embedding_width) * 0.1)

    @torch.no_grad()
    def start(self, usage: Tensor, codebook: Tensor) -> None:
        """Start from static coding: parameters of 0 give the log-probabilities of usage counts.

        A learned embedding starts from polynomials of the codes.

        Args:
            usage: counts of each granularity and code, (3, K).
            codebook: (K, d).
        """
        if self.config.learns_embedding:
            code = (codebook - codebook.mean(0)) / codebook.std(0).clamp(min=1e-6)
            row, column = torch.triu_indices(code.shape[1], code.shape[1])
            polynomial = torch.cat([code, code[:, row] * code[:, column] - (row == column).float()], 1)
            width = min(polynomial.shape[1], self.config.embedding_width)
            self.features[:, :width] = polynomial[:, :width]
        if self.config.log_prior:
            share = (usage + 0.5) / (usage + 0.5).sum(1, keepdim=True)
            embedding = self.embedding(codebook)
            zeros = embedding.new_zeros(1, self.form.parameter_count(embedding.shape[1]))
            self.log_prior.copy_(torch.log2(share) - self.form.logits(zeros, embedding))

    def embedding(self, codebook: Tensor) -> Tensor:
        """The embedding of all codes: the codebook, (K, d), or learned features, (K, R)."""
        return self.features if self.config.learns_embedding else codebook

    def forward(self, parameters: Tensor, granularity: int, codebook: Tensor) -> Tensor:
        """Unnormalised log-probabilities of all codes.

        Args:
            parameters: (N, P), see `parameter_count`.
            granularity: 0 coarse, 1 medium, 2 fine.
            codebook: (K, d).
        Returns:
            (N, K), in bits.
        """
        logits = self.form.logits(parameters, self.embedding(codebook))
        # A model without a log-prior may have started from one with it, whose weights it then holds.
        return self.log_prior[granularity] + logits if self.config.log_prior else logits


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
