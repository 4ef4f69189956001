"""Local statistics of natural pictures as a loss term: the statistics of NIQE, made differentiable.

Normalised brightness (brightness less its local mean, over its local deviation) has a characteristic distribution in
photographs. Blur narrows the distribution and ringing widens it. The loss compares its moments, and those of products
of neighbours, with those of the true picture at the same position.

Source: Mittal, Soundararajan, Bovik 2013, "Making a completely blind image quality analyzer", section II.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (65.481, 128.553, 24.966)
"""Weights of ITU-R BT.601 in its video range, for colours from 0 to 1."""

WINDOW_SIDE, WINDOW_SIGMA = 7, 7 / 6
BLOCK_PX = 32
"""Side of the squares over which moments are averaged."""

NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


def texture_distance(decoded: Tensor, picture: Tensor) -> Tensor:
    """Mean distance between local statistics, at full and at half size, a scalar.

    Args:
        decoded: (B, 3, H, W), about [0, 1]; H and W at least 64.
        picture: the true picture, same shape and range.
    """
    distance = decoded.new_zeros((), dtype=torch.float32)
    # A variance is a small difference of two large numbers, which half precision cannot represent.
    with torch.autocast(decoded.device.type, enabled=False):
        pair = decoded.float(), picture.float()
        for scale in (1, 2):
            found, wanted = (_moments(_normalised(F.avg_pool2d(_luma(side), scale))) for side in pair)
            distance = distance + F.l1_loss(found, wanted) / 2
    return distance


def _luma(picture: Tensor) -> Tensor:
    return (picture * picture.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)


def _normalised(grey: Tensor) -> Tensor:
    """(B, 1, H, W): values less their local mean, over (local deviation + 1); without the border of the window."""
    offsets = torch.arange(WINDOW_SIDE, device=grey.device) - WINDOW_SIDE // 2
    window = torch.exp(-(offsets**2) / (2 * WINDOW_SIGMA**2))
    window = window / window.sum()

    def blurred(values: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(values, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))

    edge = WINDOW_SIDE // 2
    mean = blurred(grey)
    variance = blurred(grey.square()) - mean.square()
    # The square root has an infinite slope at 0, that is, in a flat area.
    deviation = (variance.clamp(min=0) + 1e-4).sqrt()
    return (grey[..., edge:-edge, edge:-edge] - mean) / (deviation + 1)


def _moments(values: Tensor) -> Tensor:
    """Moments of each block: mean magnitude, mean square, mean and mean magnitude of four products of neighbours."""
    planes = [values.abs(), values.square()]
    for row, column in NEIGHBOURS:
        product = values * values.roll((row, column), (-2, -1))
        planes += [product, product.abs()]
    side = min(BLOCK_PX, *values.shape[-2:])
    return F.avg_pool2d(torch.cat(planes, 1), side, stride=max(side // 2, 1))
