"""Strips of pictures for TensorBoard: pure functions of tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_GAP_PX = 8


def strip(images: Sequence[Tensor]) -> Tensor:
    """Place images side by side with a white gap.

    Args:
        images: each (3, H, W) in [0, 1]; shorter images are filled up with white below.
    Returns:
        (3, largest H, sum of W and gaps), float32.
    """
    height = max(image.shape[1] for image in images)
    parts: list[Tensor] = []
    for image in images:
        filled = torch.ones(3, height, image.shape[2] + _GAP_PX)
        filled[:, : image.shape[1], : image.shape[2]] = image.detach().to("cpu", torch.float32).clamp(0, 1)
        parts.append(filled)
    return torch.cat(parts, 2)[:, :, :-_GAP_PX]
