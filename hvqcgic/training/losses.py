"""Adversarial terms of the loss; the distortion is in `hvqcgic.perceptual.losses`, the rate in `rate`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hvqcgic.training.ranks import same_for_all


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
