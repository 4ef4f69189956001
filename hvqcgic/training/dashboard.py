"""What TensorBoard shows: the layout of its charts, and strips picture | reconstruction | granularity | bits per cell.

Everything here is a pure function of tensors; `charts_layout` goes to `SummaryWriter.add_custom_scalars`, images to
`SummaryWriter.add_image`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hvqcgic.schedule import CELL_PX, GRANULARITIES

# Told apart with every common kind of colour blindness: blue, white, orange from large cells to small.
_GRANULARITY_COLOURS = {"coarse": (0.13, 0.40, 0.67), "medium": (0.97, 0.97, 0.97), "fine": (0.90, 0.45, 0.10)}
# Dark to light with even steps of lightness, so that the map reads in grey too (after matplotlib's inferno).
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
_BORDER, _GAP_PX = 0.72, 8


def charts_layout() -> dict[str, dict[str, list[object]]]:
    """Custom scalars: adaptive and static coding in one chart, real files beside the estimate, codebook use.

    Returns:
        categories of charts; each chart a list ["Multiline", tags], as `SummaryWriter.add_custom_scalars` takes it.
    """
    codings = ("adaptive", "static_huffman", "static_arithmetic")
    return {
        "rate": {
            "training: bits per pixel": ["Multiline", [f"rate/{coding}_bpp$" for coding in codings]],
            "validation: bits per pixel of real files": ["Multiline", [f"file/{coding}_bpp$" for coding in codings]],
            "validation: estimate and real file, adaptive": ["Multiline", ["file/estimate_bpp$", "file/adaptive_bpp$"]],
            "saving of adaptive coding, per cent": ["Multiline", [r"(rate|val|file)/saving_percent$"]],
        },
        "quality": {
            "PSNR, dB": ["Multiline", ["quality/psnr_db$", "val/psnr_db$"]],
            "LPIPS": ["Multiline", ["quality/lpips$", "val/lpips$"]],
        },
        "codebook": {
            "perplexity by granularity": ["Multiline", [f"codebook/perplexity_{g}$" for g in GRANULARITIES]],
        },
    }


def strip(images: Sequence[Tensor]) -> Tensor:
    """Put images side by side with a white gap.

    Args:
        images: each (3, H, W) in [0, 1]; the lower ones are filled up with white below.
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


def dashboard_strip(
    picture: Tensor, decoded: Tensor, masks: Mapping[str, Tensor], cell_bits: Mapping[str, Tensor], *, top_bits: float
) -> Tensor:
    """Picture | reconstruction | granularity map | bits per cell.

    Args:
        picture: (3, H, W) in [0, 1].
        decoded: (3, H, W) in [0, 1].
        masks: bool (h_g, w_g) by granularity, of the padded picture.
        cell_bits: bits of each cell, (h_g, w_g) by granularity; what lies outside the masks is not read.
        top_bits: bits shown in the lightest colour; log2 K is what fixed length costs.
    Returns:
        (3, H, 4 W and gaps), float32 in [0, 1].
    """
    height, width = picture.shape[-2:]
    overlay = granularity_overlay(masks, picture)
    heat = heat_map(masks, cell_bits, top_bits=top_bits)
    return strip([picture, decoded, overlay, heat[:, :height, :width]])


def granularity_overlay(masks: Mapping[str, Tensor], picture: Tensor | None = None) -> Tensor:
    """The granularity map in colours, with the borders of its cells.

    Args:
        masks: bool (h_g, w_g) by granularity; disjoint, covering.
        picture: (3, H, W) in [0, 1] to lay the colours over, H and W up to 15 px short of the masks' area; or None.
    Returns:
        (3, H, W) of the picture, else of the masks' area; float32 in [0, 1]. Blue is coarse, white medium, orange fine.
    """
    colours = torch.zeros(3, *_area_px(masks))
    for granularity, colour in _GRANULARITY_COLOURS.items():
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
        cell_bits: bits of each cell, (h_g, w_g) by granularity; what lies outside the masks is not read.
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
    """Every cell of (h, w) as a square of `cell_px`: (h * cell_px, w * cell_px), float32."""
    return grid.float().repeat_interleave(cell_px, 0).repeat_interleave(cell_px, 1)


def _borders(area: Tensor, cell_px: int) -> Tensor:
    """Factor that darkens the first row and column of each cell, (H, W)."""
    height, width = area.shape
    rows, columns = torch.arange(height) % cell_px == 0, torch.arange(width) % cell_px == 0
    return torch.where(rows[:, None] | columns[None, :], _BORDER, 1.0)
