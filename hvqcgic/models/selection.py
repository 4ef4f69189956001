"""Which cells a model codes coarse, medium and fine, as its configuration says."""

from __future__ import annotations

from torch import Tensor

from hvqcgic.models.config import ModelConfig
from hvqcgic.models.granularity import GranularityMap, PatchEntropies, Ratios, lowest_first, patch_entropies
from hvqcgic.models.published_selection import published_entropies, published_order


def select_cells(config: ModelConfig, picture: Tensor, ratios: list[Ratios]) -> GranularityMap:
    """The granularity map of each picture: a pure function of configuration, picture and ratios.

    Args:
        config: of the model.
        picture: (B, 3, H, W), in [0, 1]; H and W multiples of 16.
        ratios: one (fine, medium, coarse) for each picture, each checked by `check_ratios`.
    """
    return order_cells(config, information_density(config, picture), ratios)


def information_density(config: ModelConfig, picture: Tensor) -> PatchEntropies:
    """What orders the cells of pictures, (B, 3, H, W), in [0, 1]; H and W multiples of 16."""
    if config.selection == "published":
        return published_entropies(picture if config.input_range == "unit" else picture * 2 - 1)
    return patch_entropies(picture, config.entropy_sigma)


def order_cells(config: ModelConfig, density: PatchEntropies, ratios: list[Ratios]) -> GranularityMap:
    """The granularity map of each picture, of what `information_density` gave and one (fine, medium, coarse) each."""
    return (published_order if config.selection == "published" else lowest_first)(density, ratios)
