"""Maps of a coded picture's cells, to be laid over it: their sizes, and their bits."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.coder.coder import PictureCoder
from hvqcgic.coder.encoded import Encoded
from hvqcgic.pictures import granularity_overlay, heat_map


def cell_sizes_map(encoded: Encoded) -> Image.Image:
    """Draw the granularity map in colours, of the picture's size; see `granularity_overlay`."""
    return _image(granularity_overlay(_masks(encoded)), encoded)


def cell_bits_map(coder: PictureCoder, encoded: Encoded, *, coding: str = "adaptive") -> Image.Image:
    """Draw the bits of each cell's index as a heat map, of the picture's size.

    The lightest colour is the length of a fixed-length index. Arguments and errors as in `PictureCoder.cell_bits`.
    """
    masks, bits = _masks(encoded), dict[str, Tensor]()
    for granularity, values in coder.cell_bits(encoded, coding=coding).items():
        bits[granularity] = torch.zeros(masks[granularity].shape, dtype=torch.float64)
        bits[granularity][masks[granularity]] = torch.from_numpy(values)
    return _image(heat_map(masks, bits, top_bits=float(np.log2(coder.config.codebook_size))), encoded)


def _masks(encoded: Encoded) -> dict[str, Tensor]:
    return {g: torch.from_numpy(encoded.masks[g]) for g in GRANULARITIES}


def _image(values: Tensor, encoded: Encoded) -> Image.Image:
    """Convert (3, H, W) in [0, 1] to an image, cropped to the picture's size."""
    cut = values[:, : encoded.height, : encoded.width]
    return Image.fromarray((cut * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy())
