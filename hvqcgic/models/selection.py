"""Choice of coarse, medium and fine cells by a model's configuration."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.models.config import ModelConfig
from hvqcgic.models.granularity import (
    GranularityMap,
    PatchEntropies,
    Ratios,
    lowest_first,
    pad_to_cells,
    patch_entropies,
)
from hvqcgic.models.published_selection import published_entropies, published_order

BAND_PIXELS = 1 << 19
"""Pixels whose patches' histograms are in memory at once."""


def select_cells(config: ModelConfig, picture: Tensor, ratios: list[Ratios]) -> GranularityMap:
    """The granularity map of each picture: a pure function of configuration, picture and ratios.

    Args:
        config: of the model.
        picture: (B, 3, H, W), in [0, 1]; H and W multiples of 16.
        ratios: one (fine, medium, coarse) for each picture, each checked by `check_ratios`.
    """
    return order_cells(config, information_density(config, picture), ratios)


def information_density(config: ModelConfig, picture: Tensor) -> PatchEntropies:
    """Information density that orders the cells of pictures, (B, 3, H, W), in [0, 1]; H and W multiples of 16."""
    if config.selection == "published":
        return published_entropies(picture if config.input_range == "unit" else picture * 2 - 1)
    return patch_entropies(picture, config.entropy_sigma)


def picture_density(config: ModelConfig, pixels: NDArray[np.uint8]) -> PatchEntropies:
    """Information density of a picture, (H, W, 3), padded as for its networks; computed band by band."""
    rows = max(16, BAND_PIXELS // pixels.shape[1] // 16 * 16)
    values = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    bands = [information_density(config, pad_to_cells(band.float() / 255)) for band in values.split(rows, 2)]
    return PatchEntropies(torch.cat([band.of_16 for band in bands], 1), torch.cat([band.of_8 for band in bands], 1))


def order_cells(config: ModelConfig, density: PatchEntropies, ratios: list[Ratios]) -> GranularityMap:
    """The granularity map of each picture, from `information_density` and one (fine, medium, coarse) each."""
    return (published_order if config.selection == "published" else lowest_first)(density, ratios)
