"""Pictures of coding results: the granularity map in colours, and bits per cell as a heat map."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hvqcgic.bitstream import CELL_PX

# Distinguishable with every common kind of colour blindness: blue, white, orange from large cells to small.
GRANULARITY_COLOURS = {"coarse": (0.13, 0.40, 0.67), "medium": (0.97, 0.97, 0.97), "fine": (0.90, 0.45, 0.10)}
# Dark to light with even steps of lightness, so that the map is readable in grey, too (after matplotlib's inferno).
_HEAT = (
    (0.0, 0.0, 0.02),
    (0.16, 0.04, 0.33),
    (0.40, 0.10, 0.43),
    (0.65, 0.17, 0.36),
    (0.87, 0.32, 0.23),
    (0.98, 0.55, 0.04),
    (0.97, 0.80, 0.25),
    (0.99, 1.0, 0.64),
)
_BORDER = 0.72


def granularity_overlay(masks: Mapping[str, Tensor], picture: Tensor | None = None) -> Tensor:
    """The granularity map in colours, with the borders of its cells.

    Args:
        masks: bool (h_g, w_g) by granularity; disjoint, covering.
        picture: (3, H, W) in [0, 1] to lay the colours over, H and W up to 15 px short of the masks' area; or None.
    Returns:
        (3, H, W) of the picture, else of the masks' area; float32 in [0, 1]. Blue is coarse, white medium, orange fine.
    """
    colours = torch.zeros(3, *_area_px(masks))
    for granularity, colour in GRANULARITY_COLOURS.items():
        mask = _enlarge(masks[granularity].cpu(), CELL_PX[granularity])
        colours += torch.tensor(colour)[:, None, None] * mask * _borders(mask, CELL_PX[granularity])
    if picture is None:
        return colours
    height, width = picture.shape[-2:]
    grey = picture.detach().to("cpu", torch.float32).mean(0, keepdim=True)
    return (0.5 * colours[:, :height, :width] + 0.5 * grey).clamp(0, 1)


def heat_map(masks: Mapping[str, Tensor], cell_bits: Mapping[str, Tensor], *, top_bits: float) -> Tensor:
    """Bits of every cell as colours from black (0 bits) to pale yellow (`top_bits` and more).

    Args:
        masks: bool (h_g, w_g) by granularity; disjoint, covering.
        cell_bits: bits of each cell, (h_g, w_g) by granularity; values outside the masks are ignored.
        top_bits: bits of the lightest colour, above 0.
    Returns:
        (3, H, W) of the masks' area, float32 in [0, 1].
    """
    bits = torch.zeros(_area_px(masks))
    for granularity, cell_px in CELL_PX.items():
        inside = torch.where(masks[granularity].cpu(), cell_bits[granularity].detach().cpu().float(), 0.0)
        bits += _enlarge(inside, cell_px)
    return _colour_scale((bits / top_bits).clamp(0, 1))


def _colour_scale(values: Tensor) -> Tensor:
    """Values (H, W) in [0, 1] to colours (3, H, W), linear between the colours of the scale."""
    scale = torch.tensor(_HEAT)
    position = values * (len(_HEAT) - 1)
    lower = position.floor().long().clamp(max=len(_HEAT) - 2)
    share = (position - lower)[..., None]
    return (scale[lower] * (1 - share) + scale[lower + 1] * share).permute(2, 0, 1)


def _area_px(masks: Mapping[str, Tensor]) -> tuple[int, int]:
    height, width = masks["coarse"].shape
    return height * CELL_PX["coarse"], width * CELL_PX["coarse"]


def _enlarge(grid: Tensor, cell_px: int) -> Tensor:
    """Repeat every cell of (h, w) as a square of `cell_px`: (h * cell_px, w * cell_px), float32."""
    return grid.float().repeat_interleave(cell_px, 0).repeat_interleave(cell_px, 1)


def _borders(area: Tensor, cell_px: int) -> Tensor:
    """Factor that darkens the first row and column of each cell, (H, W)."""
    height, width = area.shape
    rows, columns = torch.arange(height) % cell_px == 0, torch.arange(width) % cell_px == 0
    return torch.where(rows[:, None] | columns[None, :], _BORDER, 1.0)
