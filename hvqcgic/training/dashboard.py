"""TensorBoard display: the layout of the charts, and strips of pictures.

Everything here is a pure function of tensors; `charts_layout` goes to `SummaryWriter.add_custom_scalars`, images to
`SummaryWriter.add_image`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hvqcgic.bitstream import GRANULARITIES

_GAP_PX = 8


def charts_layout() -> dict[str, dict[str, list[object]]]:
    """Custom scalars: adaptive and static coding in one chart, real files beside the estimate, codebook use.

    Returns:
        categories of charts; each chart is a list ["Multiline", tags], as `SummaryWriter.add_custom_scalars` takes it.
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
            "PSNR, dB": ["Multiline", ["quality/psnr_db$", r"val(_raw)?/psnr_db$"]],
            "LPIPS": ["Multiline", ["quality/lpips$", r"val(_raw)?/lpips$"]],
        },
        "codebook": {
            "perplexity by granularity": ["Multiline", [f"codebook/perplexity_{g}$" for g in GRANULARITIES]],
        },
    }


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
