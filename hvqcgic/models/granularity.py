"""Choice of coarse, medium and fine cells: patch entropy and the granularity map (Control-GIC, eq. 1-3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from hvqcgic.models.ratios import Ratios

LEVELS = 256
"""Grey levels that the histograms of patches distinguish."""


@dataclass(frozen=True)
class GranularityMap:
    """Three disjoint masks that cover the picture.

    Attributes:
        coarse: bool, (B, 1, H/16, W/16).
        medium: bool, (B, 1, H/8, W/8).
        fine: bool, (B, 1, H/4, W/4).
    """

    coarse: Tensor
    medium: Tensor
    fine: Tensor

    def __getitem__(self, granularity: str) -> Tensor:
        """The mask of one granularity, by name."""
        return cast(Tensor, getattr(self, granularity))


def every_size(like: Tensor) -> GranularityMap:
    """All three masks true everywhere, which no map has, to compute every position; for planes (B, C, H/4, W/4)."""
    return GranularityMap(*(torch.ones_like(like[:, :1, ::n, ::n], dtype=torch.bool) for n in (4, 2, 1)))


@dataclass(frozen=True)
class PatchEntropies:
    """Information density of a batch of pictures, or its weights.

    Attributes:
        of_16: of 16 px patches, (B, H/16, W/16).
        of_8: of 8 px patches, (B, H/8, W/8).
    """

    of_16: Tensor
    of_8: Tensor

    def weighted(self, weights: Tensor) -> PatchEntropies:
        """Multiply by the mean over each patch of weights, (B, H, W), at least 0; larger weights give finer cells."""
        means = [F.avg_pool2d(weights[:, None], patch)[:, 0] for patch in (16, 8)]
        return PatchEntropies(*(own * mean for own, mean in zip((self.of_16, self.of_8), means, strict=True)))


def counts_from_ratios(ratios: Ratios, rows: int, columns: int) -> tuple[int, int]:
    """Number of coarse and medium cells of a picture of `rows` x `columns` coarse cells.

    Args:
        ratios: (fine, medium, coarse) shares of the area, sum 1.
        rows: height of the padded picture / 16.
        columns: width of the padded picture / 16.
    Returns:
        (coarse cells of 16 px, medium cells of 8 px); medium cells are limited to the area without coarse cells.
        A share of zero gives no cell.
    """
    fine, medium, coarse = ratios
    cells = rows * columns
    n_coarse = min(round(coarse * cells), cells)
    if fine == 0 and medium == 0:
        n_coarse = cells
    left = 4 * (cells - n_coarse)
    if fine == 0:
        return n_coarse, left
    return n_coarse, min(round(medium * 4 * cells), left)


def luma(picture: Tensor) -> Tensor:
    """Grey values in [-1, 1], (B, H, W), of pictures in [0, 1], (B, 3, H, W) (ITU-R BT.601 weights)."""
    weights = picture.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (picture * weights).sum(1) * 2 - 1


def grey_histograms(grey: Tensor, patch: int) -> Tensor:
    """Pixels of each grey level in every patch: (B, H, W) in [-1, 1] to (B, H / patch, W / patch, LEVELS), float32."""
    batch, height, width = grey.shape
    rows, columns = height // patch, width // patch
    level = ((grey + 1) * ((LEVELS - 1) / 2)).round().long().clamp(0, LEVELS - 1)
    cells = level.view(batch, rows, patch, columns, patch).permute(0, 1, 3, 2, 4).reshape(-1, patch * patch)
    histogram = torch.zeros(cells.shape[0], LEVELS, dtype=torch.float32, device=grey.device)
    histogram.scatter_add_(1, cells, torch.ones_like(cells, dtype=torch.float32))
    return histogram.view(batch, rows, columns, LEVELS)


def smoothed_entropy(histograms: Tensor, patch: int, sigma: float) -> Tensor:
    """Entropy of the smoothed histograms of patches, (B, h, w, LEVELS) to (B, h, w), see `patch_entropies`."""
    device = histograms.device
    values = torch.linspace(-1, 1, LEVELS, dtype=torch.float64, device=device)
    spacing = 2 / 31
    beyond = math.ceil(8 * sigma / spacing)
    bins = torch.arange(-beyond, 32 + beyond, dtype=torch.float64, device=device) * spacing - 1
    kernel = torch.exp(-0.5 * ((values[:, None] - bins[None]) / sigma) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    # With a multiple of four rows, which add nothing, the product takes 0.6 of the time.
    rows = F.pad(kernel.t(), (0, 0, 0, -kernel.shape[1] % 4))
    density = (rows @ histograms.flatten(0, 2).double().t()).div_(patch * patch)
    return -torch.xlogy(density, density).sum(0).view(histograms.shape[:3])


def lowest_cells(density: Tensor, count: int) -> Tensor:
    """Mask of the `count` cells of lowest density, ties by position.

    Args:
        density: (h, w); cells that may not be chosen are +inf.
        count: at most the number of finite cells.
    Returns:
        bool, (h, w).
    """
    # Rounding removes differences by the order of a sum, or by the grey level of flat patches (1e-7), so that ties are
    # resolved by position on every machine.
    order = torch.argsort((density * 1e5).round().flatten(), stable=True)
    chosen = torch.zeros(density.numel(), dtype=torch.bool, device=density.device)
    chosen[order[:count]] = True
    return chosen.view_as(density)


def repeat(mask: Tensor, factor: int) -> Tensor:
    """Enlarge the two last axes by a whole factor, nearest neighbour."""
    return mask.repeat_interleave(factor, -2).repeat_interleave(factor, -1)


def patch_entropies(picture: Tensor, sigma: float) -> PatchEntropies:
    """Entropy of the smoothed histogram of grey values of every patch.

    The kernel is evaluated once for each of `LEVELS` grey values and gathered through a histogram, because an
    exponential for each pixel and bin would take 40 times as long. Bins 2 / 31 apart cover [-1, 1] and the reach of the
    kernel beyond. Without the bins beyond, dark and bright patches would have less entropy than others.

    Args:
        picture: (B, 3, H, W), in [0, 1]; H and W multiples of 16.
        sigma: width of the Gaussian kernel; from about one bin on (0.065) flat patches of every grey level have the
            same entropy, and no patch has less.
    Returns:
        of patches of 16 and 8 px, float64, in nats, not below 0.
    Source: Control-GIC, eq. 1-3, with sigma 0.01 and no bins outside [-1, 1].
    """
    of_8 = grey_histograms(luma(picture), 8)
    batch, rows, columns, _ = of_8.shape
    four = of_8.view(batch, rows // 2, 2, columns // 2, 2, LEVELS)
    # Four additions, as PyTorch sums axes in the middle forty times more slowly.
    of_16 = four[:, :, 0, :, 0] + four[:, :, 0, :, 1] + four[:, :, 1, :, 0] + four[:, :, 1, :, 1]
    return PatchEntropies(smoothed_entropy(of_16, 16, sigma), smoothed_entropy(of_8, 8, sigma))


def lowest_first(entropies: PatchEntropies, ratios: list[Ratios]) -> GranularityMap:
    """Choose the granularity map of each picture: cells of lowest entropy are coarse, the next medium, the rest fine.

    Args:
        entropies: of the pictures.
        ratios: one (fine, medium, coarse) for each picture, each checked by `check_ratios`.
    Returns:
        masks with the cell counts of `counts_from_ratios`.
    """
    coarse, medium = [], []
    for of_16, of_8, shares in zip(entropies.of_16, entropies.of_8, ratios, strict=True):
        n_coarse, n_medium = counts_from_ratios(shares, *of_16.shape)
        coarse.append(lowest_cells(of_16, n_coarse))
        medium.append(lowest_cells(of_8.masked_fill(repeat(coarse[-1], 2), math.inf), n_medium))
    return complete_map(torch.stack(coarse)[:, None], torch.stack(medium)[:, None])


def complete_map(coarse: Tensor, medium: Tensor) -> GranularityMap:
    """Build the map with these coarse, (B, 1, H/16, W/16), and medium cells, (B, 1, H/8, W/8); the rest is fine."""
    return GranularityMap(coarse, medium, ~(repeat(coarse, 4) | repeat(medium, 2)))


def granularity_map(picture: Tensor, ratios: list[Ratios], sigma: float) -> GranularityMap:
    """The granularity map of each picture: a pure function of picture and ratios.

    Args:
        picture: (B, 3, H, W), in [0, 1]; H and W multiples of 16.
        ratios: one (fine, medium, coarse) for each picture, each checked by `check_ratios`.
        sigma: see `patch_entropies`.
    """
    return lowest_first(patch_entropies(picture, sigma), ratios)


def pad_to_cells(picture: Tensor) -> Tensor:
    """Pad by edge replication at right and bottom to multiples of 16 pixels; (B, C, H, W) in and out."""
    height, width = picture.shape[-2:]
    return F.pad(picture, (0, -width % 16, 0, -height % 16), mode="replicate")
