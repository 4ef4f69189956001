"""Distortion of squares of 8 px: squared error, and the change of contrast, as the choice of granularities counts it.

Squared error alone prefers a smoothed texture to a replaced one.
"""

from __future__ import annotations

import torch
from torch import Tensor

SQUARE_PX = 8
CONTRAST_WEIGHT = 3.0
"""Weight of the squared difference in standard deviation of luma, against the mean squared error of a channel."""
_LUMA = (0.299, 0.587, 0.114)
_SMALLEST_VARIANCE = 1e-6
"""About that of rounding to 8 bits, for luma in [0, 1]; the gradient of a root of 0 is infinite."""


def square_distortions(original: Tensor, decoded: Tensor) -> Tensor:
    """Distortion of each square, summed over its pixels and channels.

    Args:
        original: (B, 3, H, W), H and W multiples of 8, of any scale.
        decoded: likewise.
    Returns:
        (B, H/8, W/8), in squared units of the pixels, with a gradient.
    """
    error = _squares((original - decoded).square().sum(1)).sum(-1)
    change = _contrast(original) - _contrast(decoded)
    return error + 3 * SQUARE_PX**2 * CONTRAST_WEIGHT * change.square()


def _contrast(picture: Tensor) -> Tensor:
    """Standard deviation of luma in each square."""
    luma = torch.einsum("c,bchw->bhw", picture.new_tensor(_LUMA), picture)
    return (_squares(luma).var(-1, correction=0) + _SMALLEST_VARIANCE).sqrt()


def _squares(plane: Tensor) -> Tensor:
    """(B, H, W) to (B, H/8, W/8, 64)."""
    batch, height, width = plane.shape
    cut = plane.view(batch, height // SQUARE_PX, SQUARE_PX, width // SQUARE_PX, SQUARE_PX)
    return cut.transpose(2, 3).flatten(3)
