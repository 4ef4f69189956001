"""Which cells a model codes coarse, medium and fine, as its configuration says."""

from __future__ import annotations

from torch import Tensor

from hvqcgic.models.config import ModelConfig
from hvqcgic.models.granularity import GranularityMap, Ratios, granularity_map
from hvqcgic.models.published_selection import published_map


def select_cells(config: ModelConfig, picture: Tensor, ratios: list[Ratios]) -> GranularityMap:
    """The granularity map of each picture: a pure function of configuration, picture and ratios.

    Args:
        config: of the model.
        picture: (B, 3, H, W), in [0, 1]; H and W multiples of 16.
        ratios: one (fine, medium, coarse) for each picture, each checked by `check_ratios`.
    """
    if config.selection == "published":
        return published_map(picture if config.input_range == "unit" else picture * 2 - 1, ratios)
    return granularity_map(picture, ratios, config.entropy_sigma)
