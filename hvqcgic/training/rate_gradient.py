"""The path of the rate's gradient to the features: bits of a soft choice of codes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.entropy import FREQUENCY_BITS
from hvqcgic.index_priors import BITS_A_NAT
from hvqcgic.models import GranularityMap, HvqModel, Ratios, squared_distances


@dataclass(frozen=True)
class Pull:
    """How the rate pulls at the features.

    Attributes:
        tau: temperature of the soft choice, in units of the mean squared distance to the nearest code.
        usage_weight: share of the bits of global use that is not charged, see `usage_bits`.
        weights: of each picture's bits, (B,); 1 where None.
    """

    tau: float = 1.0
    usage_weight: float = 0.0
    weights: Tensor | None = None


def pull_bits(
    model: HvqModel, features: dict[str, Tensor], masks: GranularityMap, logits: Mapping[str, Tensor], pull: Pull
) -> Tensor:
    """The term that carries the rate's gradient to the features, a scalar in bits.

    Args:
        model: the model.
        features: of the encoder, (B, d, h_g, w_g) each.
        masks: the granularity map.
        logits: log-probabilities of the prior in bits by pass, (N_pass, K), taken as fixed.
        pull: temperature and weights.
    """
    y, codebook = pass_features(model, features, masks), model.quantiser.codebook
    total = codebook.new_zeros(())
    for granularity in GRANULARITIES:
        steps = [step for step in model.passes if step.granularity == granularity]
        soft = [soft_assignment(y[step.name], codebook, pull.tau) for step in steps]
        bits = torch.cat([soft_bits(s, logits[step.name].detach()) for s, step in zip(soft, steps, strict=True)])
        weights = torch.ones_like(bits)
        if pull.weights is not None:
            weights = pull.weights[torch.cat([model.cells(step, masks).nonzero()[:, 0] for step in steps])]
        total = total + (weights * bits).sum()
        if pull.usage_weight > 0:
            total = total - pull.usage_weight * usage_bits(torch.cat(soft), weights)
    return total


def soft_assignment(y: Tensor, codebook: Tensor, tau: float) -> Tensor:
    """Soft choice of codes: softmax(-distance^2 / tau), the nearest code alone where tau falls to 0.

    Args:
        y: features, (N, d).
        codebook: (K, d), fixed.
        tau: temperature, in units of the mean squared distance to the nearest code.
    Returns:
        (N, K), rows sum to 1.
    Source: RDVQ (CVPR 2026).
    """
    distances = squared_distances(y, codebook) + (y * y).sum(1, keepdim=True)
    scale = distances.detach().min(1).values.mean().clamp(min=1e-6)
    return torch.softmax(-distances / (tau * scale), 1)


def soft_bits(soft: Tensor, logits: Tensor) -> Tensor:
    """Bits of soft choices: their cross-entropy against the prior.

    Args:
        soft: see `soft_assignment`, (N, K).
        logits: log-probabilities of the prior in bits, (N, K), fixed.
    Returns:
        (N,), in bits. A code costs at most `FREQUENCY_BITS` more than the cell's cheapest code, as in files. Without
        this limit, the forms whose bits grow with the distance could move codes beyond the range of the exact prior.
    Source: RDVQ (CVPR 2026).
    """
    within = torch.maximum(logits, logits.amax(1, keepdim=True) - FREQUENCY_BITS)
    bits = (torch.logsumexp(within * math.log(2), 1, keepdim=True) * BITS_A_NAT - within).detach()
    return (soft * bits).sum(1)


def usage_bits(soft: Tensor, weights: Tensor) -> Tensor:
    """Bits of the cells of a granularity under the mean of their choices: what static coding would take.

    Taken off the rate it leaves what contexts and hyperpriors predict, so that a large lambda makes codes easier to
    predict and not fewer.

    Args:
        soft: see `soft_assignment`, (N, K).
        weights: of each cell, (N,).
    Returns:
        a scalar, in bits.
    Source: arXiv 2602.16086, the entropy of the global use of codes as a term against their collapse.
    """
    cells = weights.sum()
    use = weights @ soft / cells.clamp(min=1e-6)
    # Not the logarithm of 0, whose gradient is infinite: of most codes a small batch has no use at all.
    return -cells * (use * torch.log(use + torch.finfo(use.dtype).tiny)).sum() * BITS_A_NAT


def weights_by_cells(masks: GranularityMap, default: Ratios, slope: float) -> Tensor:
    """Weight of each picture's rate, (B,): (cells at the default ratios / its cells) ** slope.

    A bit is worth the more distortion the fewer of them a picture gets; along the ratio path the slope of distortion
    over rate falls about as such a power of the number of cells.
    """
    cells = torch.stack([masks[g].flatten(1).sum(1) for g in GRANULARITIES]).sum(0) / masks["coarse"][0].numel()
    fine, medium, coarse = default
    return ((16 * fine + 4 * medium + coarse) / cells) ** slope


def pass_features(model: HvqModel, features: dict[str, Tensor], masks: GranularityMap) -> dict[str, Tensor]:
    """Features of every pass's cells, (N_pass, d), in the order of `HvqModel.pass_indices`."""
    return {s.name: features[s.granularity].permute(0, 2, 3, 1)[model.cells(s, masks)[:, 0]] for s in model.passes}
