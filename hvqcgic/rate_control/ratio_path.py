"""One parameter for the rate: a path through the ratios along which files grow.

The path goes from all coarse (t = 0) through all medium (t = 1/2) to all fine (t = 1), a straight line on each half:
first coarse cells split into medium ones, then medium ones into fine ones. A 16 x 16 px area costs 1 index as a coarse
cell, 4 as medium cells and 16 as fine ones, so the number of indices grows strictly with t, and with it the rate.
"""

from __future__ import annotations

import math

from hvqcgic.errors import ConfigError
from hvqcgic.models.granularity import Ratios

MIDDLE = 0.5
"""Where the path is at all medium."""


def ratios(t: float) -> Ratios:
    """The (fine, medium, coarse) shares at a place of the path.

    Args:
        t: from 0 (all coarse) to 1 (all fine).
    Raises:
        ConfigError: t is not in [0, 1].
    """
    if not (math.isfinite(t) and 0 <= t <= 1):
        raise ConfigError(f"place {t:g} on the ratio path: give a number from 0 (all coarse) to 1 (all fine)")
    if t <= MIDDLE:
        medium = t / MIDDLE
        return 0.0, medium, 1 - medium
    fine = (t - MIDDLE) / (1 - MIDDLE)
    return fine, 1 - fine, 0.0
