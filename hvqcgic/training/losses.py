"""Rate and adversarial terms of the loss; the distortion is in `hvqcgic.perceptual.losses`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hvqcgic.entropy import FREQUENCY_BITS
from hvqcgic.index_priors import BITS_A_NAT
from hvqcgic.models import squared_distances
from hvqcgic.training.ranks import same_for_all


def soft_bits(y: Tensor, codebook: Tensor, logits: Tensor, tau: float) -> Tensor:
    """Bits of a soft choice of codes, the term that carries the rate's gradient to the features.

    Args:
        y: features, (N, d).
        codebook: (K, d), fixed.
        logits: log-probabilities of the prior in bits, (N, K), fixed.
        tau: temperature, in units of the mean squared distance to the nearest code.
    Returns:
        (N,), in bits. A code costs at most `FREQUENCY_BITS` more than the cell's cheapest code, as in files. Without
        this limit, the forms whose bits grow with the distance could move codes beyond the range of the exact prior.
    Source: RDVQ (CVPR 2026): cross-entropy of softmax(-distance^2 / tau) against the prior.
    """
    distances = squared_distances(y, codebook) + (y * y).sum(1, keepdim=True)
    scale = distances.detach().min(1).values.mean().clamp(min=1e-6)
    soft = torch.softmax(-distances / (tau * scale), 1)
    within = torch.maximum(logits, logits.amax(1, keepdim=True) - FREQUENCY_BITS)
    bits = (torch.logsumexp(within * math.log(2), 1, keepdim=True) * BITS_A_NAT - within).detach()
    return (soft * bits).sum(1)


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of the scores of real and of decoded pictures."""
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())


@dataclass(frozen=True)
class WithAdversary:
    """Two losses of decoded pictures as one.

    Attributes:
        total: base + weight * adversarial, a scalar with the gradient of this sum.
        weight: of the adversarial loss.
    """

    total: Tensor
    weight: Tensor


def with_adversary(decoded: Tensor, base: Tensor, adversarial: Tensor, layer: Tensor, limit: float) -> WithAdversary:
    """Weight the adversarial loss so that its gradient at the last layer is `limit` of the base's (VQGAN, eq. 7).

    The gradients are computed at the picture once and go on to the networks together, so LPIPS is differentiated once.
    With several processes the weight is the mean of their weights: one weight for the whole batch.

    Args:
        decoded: pictures, with their graph.
        base: loss of the pictures without the adversarial term, a scalar.
        adversarial: adversarial loss of the pictures, a scalar.
        layer: the last weights before the pictures.
        limit: share, at least 0.
    """
    gradients = [torch.autograd.grad(loss, decoded)[0] for loss in (base, adversarial)]
    wanted, found = (torch.autograd.grad(decoded, layer, g, retain_graph=True)[0].norm() for g in gradients)
    weight = same_for_all((limit * wanted / (found + 1e-8)).clamp(max=1.0))
    gradient = gradients[0] + weight * gradients[1]
    value = base.detach() + weight * adversarial.detach()
    return WithAdversary(value + ((decoded - decoded.detach()) * gradient).sum(), weight)
