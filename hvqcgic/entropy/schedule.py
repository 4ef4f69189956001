"""Positions of the cells of a pass on the grid of its granularity."""

from __future__ import annotations

import numpy as np

from hvqcgic.bitstream import Pass
from hvqcgic.entropy.masks import BoolArray


def positions(step: Pass, h: int, w: int) -> BoolArray:
    """(h, w) bool: the grid positions that belong to a pass, whether or not they hold a cell."""
    return np.tile(np.array(step.tile), (-(-h // 2), -(-w // 2)))[:h, :w]
