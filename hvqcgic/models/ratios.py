"""Ratios: the shares of a picture's area in cells of each size; checked without torch."""

from __future__ import annotations

import math
from typing import cast

Ratios = tuple[float, float, float]

REPORTED_RATIOS: tuple[Ratios, ...] = ((0.5, 0.4, 0.1), (0.1, 0.8, 0.1), (0.0, 0.5, 0.5))
"""The triples (fine, medium, coarse) of Control-GIC's tables, at which models are reported."""


def check_ratios(ratios: Ratios) -> Ratios:
    """Check (fine, medium, coarse) shares and return them.

    Raises:
        ValueError: not three finite numbers, one is negative, or the sum is not 1 (to 1e-6).
    """
    values = tuple(float(share) for share in ratios)
    if len(values) != 3:
        raise ValueError(f"ratios {ratios} are {len(values)} numbers; give three: fine, medium, coarse")
    if not all(math.isfinite(share) and share >= 0 for share in values):
        raise ValueError(f"ratios {values}: each share must be a number from 0 to 1")
    if abs(sum(values) - 1) > 1e-6:
        raise ValueError(f"ratios {values} sum to {sum(values):g}; fine, medium and coarse must sum to 1")
    return cast(Ratios, values)
