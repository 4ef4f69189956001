"""Control-GIC's published selection of cells, for models that must repeat its masks exactly.

Differences from `hvqcgic.models.granularity`, the default of this project:

    threshold   cells strictly below the k-th lowest entropy are coarse: one cell fewer than requested, and with ties at
                the threshold even fewer; a flat picture gets no coarse cell at all and costs the most
    medium      the threshold includes coarse cells, which normally gives three cells more than requested
    entropy     sigma 0.01 with bins 0.065 apart in [-1, 1]: the entropy of a flat patch depends on its grey level
    mode        chosen by exact comparison of shares with zero, in double arithmetic: 1 - 0.7 - 0.3 is not zero

The published code shares thresholds over a batch. Here each picture has its own thresholds, which is the same for
batches of one picture.

Source: Control-GIC, eq. 1-3, as its published code computes them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hvqcgic.models.granularity import GranularityMap, PatchEntropies, Ratios, complete_map, repeat

SIGMA = 0.01
BINS = 32
GREY = (0.2989, 0.5870, 0.1140)
BAND_PIXELS = 1 << 18
"""Pixels whose kernels, 32 numbers each, are in memory at once."""


def published_order(entropies: PatchEntropies, ratios: list[Ratios]) -> GranularityMap:
    """The granularity map of each picture, from `published_entropies` and one (fine, medium, coarse) each."""
    maps = [
        select(of_16, of_8, medium=medium, coarse=coarse)
        for of_16, of_8, (_, medium, coarse) in zip(entropies.of_16, entropies.of_8, ratios, strict=True)
    ]
    coarse, medium, fine = (torch.cat([getattr(found, g) for found in maps]) for g in ("coarse", "medium", "fine"))
    return GranularityMap(coarse, medium, fine)


def published_entropies(values: Tensor) -> PatchEntropies:
    """Entropies, float32, in nats, of the smoothed grey histogram of every patch.

    Kernels and sums are float64, so that patches of equal content have equal entropies at any position. 0 log 0 is 0.
    The published code adds 1e-40 instead, which is lost on processors that flush subnormal numbers.

    Args:
        values: (B, 3, H, W); H and W multiples of 16.
    """
    weights = values.new_tensor(GREY).view(1, 3, 1, 1)
    grey = (values * weights).sum(1)
    batch, height, width = grey.shape
    rows = max(16, BAND_PIXELS // (batch * width) // 16 * 16)
    density = torch.cat([_densities(band) for band in grey.split(rows, 1)], 1)
    of_16 = density.view(batch, height // 16, 2, width // 16, 2, BINS).mean((2, 4))
    return PatchEntropies(_entropy(of_16), _entropy(density))


def _densities(grey: Tensor) -> Tensor:
    """Mean kernel of every 8 px patch and bin, (B, h / 8, w / 8, 32), float64, of grey values (B, h, w)."""
    batch, height, width = grey.shape
    bins = torch.linspace(-1, 1, BINS, device=grey.device)
    distance = (grey[..., None] - bins).double() / SIGMA
    kernel = distance.square_().mul_(-0.5).exp_()
    return kernel.view(batch, height // 8, 8, width // 8, 8, BINS).mean((2, 4))


def _entropy(density: Tensor) -> Tensor:
    share = density / density.sum(-1, keepdim=True)
    return -torch.xlogy(share, share).sum(-1).float()


def select(of_16: Tensor, of_8: Tensor, *, medium: float, coarse: float) -> GranularityMap:
    """The granularity map of one picture.

    Args:
        of_16: entropies of its 16 px patches, (h, w).
        of_8: entropies of its 8 px patches, (2 h, 2 w).
        medium: share of medium cells; the rest beside coarse cells is fine.
        coarse: share of coarse cells.
    """
    fine = 1 - coarse - medium
    mask_c, mask_m = torch.zeros_like(of_16, dtype=torch.bool), torch.zeros_like(of_8, dtype=torch.bool)
    if coarse != 0 and (medium != 0 or fine != 0):
        mask_c = of_16 < _threshold(of_16, round(of_16.numel() * coarse))
    elif coarse != 0:
        mask_c = ~mask_c
    covered = repeat(mask_c, 2)
    if medium != 0 and fine != 0:
        # Coarse cells count as the lowest; without coarse cells this is the plain number of medium cells.
        wanted = round(4 * of_16.numel() * coarse + of_8.numel() * medium)
        mask_m = (of_8 < _threshold(of_8 * ~covered, wanted)) & ~covered
    elif medium != 0:
        mask_m = ~covered
    return complete_map(mask_c[None, None], mask_m[None, None])


def _threshold(entropies: Tensor, count: int) -> Tensor:
    """The `count`-th lowest entropy; the lowest for a count of 0."""
    return entropies.flatten().sort().values[max(count - 1, 0)]
