"""Local means: hyper-latents that the picture networks read too, the mean colour of every square block of a picture.

    picture -> block means -> rounded latents u -> spread bilinearly -> m
    picture - m -> Encoder -> codes ...            ... codes, m -> ConditionalDecoder -> + m -> picture

The codes describe what the means leave over (mean-removed vector quantisation, Gersho and Gray 1992), and the index
prior reads u as a hyper-latent. The latents are computed from the pixels alone; a file holds them as integers.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hvqcgic.models.config import MeansConfig

MEANS_CHANNELS = 3
"""Luma and two differences of colour."""
MIDDLE = 0.5
"""Grey that stands for no difference from the local means."""

TO_LUMA_CHROMA = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
TO_RGB = torch.tensor([[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]])
"""Both after ITU-R BT.601, on values less their middle, 0.5."""


def largest_latent(config: MeansConfig) -> int:
    """Largest magnitude of a latent."""
    return int(np.ceil(128 / min(config.luma_step, config.chroma_step)))


def local_means(config: MeansConfig, picture: Tensor) -> Tensor:
    """Latents of pictures: rounded block means.

    Args:
        config: block and steps.
        picture: (B, 3, H, W), in [0, 1]; a block that the border cuts counts its pixels alone.
    Returns:
        (B, 3, ceil(H / block), ceil(W / block)) whole numbers, float32.
    """
    block = config.block_px
    more = 0, -picture.shape[-1] % block, 0, -picture.shape[-2] % block
    inside = _block_sums(F.pad(torch.ones_like(picture[:1, :1]), more), block)
    mean = _block_sums(F.pad(picture.detach() - 0.5, more), block) / inside
    turned = torch.einsum("ij,bjhw->bihw", TO_LUMA_CHROMA.to(mean), mean)
    return (turned / _steps(config).to(mean)).round()


def spread(config: MeansConfig, latents: Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """A part of the picture of the means: latents interpolated bilinearly between the centres of their blocks.

    Args:
        config: block and steps.
        latents: of the whole picture, (B, 3, h, w).
        rows: first row of pixels, and one past the last.
        columns: likewise.
    Returns:
        (B, 3, rows, columns), about [0, 1].
    """
    colour = torch.einsum("ij,bjhw->bihw", TO_RGB.to(latents), latents * _steps(config).to(latents)) + 0.5
    tall = _interpolated(colour.transpose(2, 3), config.block_px, *rows).transpose(2, 3).contiguous()
    return _interpolated(tall, config.block_px, *columns)


def _interpolated(values: Tensor, block: int, first: int, stop: int) -> Tensor:
    """Pixels [first, stop) of the last axis from values at the centres of blocks; those beyond them repeat the ends."""
    # All pixels between two centres read the same two values.
    low, high = (first - block // 2) // block, (stop - 1 - block // 2) // block
    between = torch.arange(low, high + 1, device=values.device)
    near, far = (values.index_select(-1, (between + step).clamp(0, values.shape[-1] - 1)) for step in (0, 1))
    start = low * block + block // 2
    place = (torch.arange(start, start + len(between) * block, device=values.device) + 0.5) / block - 0.5
    share = (place - place.floor()).view(-1, block)
    found = near[..., None] + (far - near)[..., None] * share
    return found.flatten(-2)[..., first - start : stop - start]


def _block_sums(planes: Tensor, block: int) -> Tensor:
    """Sums over blocks of planes whose sides are multiples of it; average pooling takes ten times as long."""
    batch, channels, height, width = planes.shape
    rows = planes.reshape(batch, channels, height // block, block, width).sum(3)
    return rows.view(batch, channels, height // block, width // block, block).sum(4)


def less_means(picture: Tensor, means: Tensor) -> Tensor:
    """What an encoder sees of a picture with local means: their difference around middle grey, (B, 3, H, W)."""
    return picture - means + MIDDLE


def plus_means(decoded: Tensor, means: Tensor | None) -> Tensor:
    """The picture of a decoder's result, (B, 3, H, W); the result itself without local means."""
    return decoded if means is None else decoded + (means - MIDDLE)


def _steps(config: MeansConfig) -> Tensor:
    """Steps of the latents, (3, 1, 1), of values in [0, 1]."""
    return torch.tensor([config.luma_step, config.chroma_step, config.chroma_step]).view(3, 1, 1) / 255
