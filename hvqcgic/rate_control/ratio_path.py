"""Ratio paths: curves through the ratios with one parameter, along which the bit rate grows.

A path goes from all cells coarse (t = 0) to all cells fine (t = 1). Along the path the share of coarse cells never
grows and the share of fine cells never shrinks. A 16 x 16 px area costs 1 index as a coarse cell, 4 as medium cells and
16 as fine cells, so the number of indices, and with it the bit rate, grows strictly with t.

    published straight lines through the ratios in Control-GIC's tables
    binomial  fine t², medium 2 t (1 - t), coarse (1 - t)², as if every split had probability t

`experiments/encoder_choices.py` compares the paths. DEFAULT was chosen on validation pictures: by LPIPS the two are
equal, by PSNR `binomial` is better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from hvqcgic.errors import ConfigError
from hvqcgic.models import Ratios

RatioPath = Callable[[float], Ratios]
"""Function from a place in [0, 1] to (fine, medium, coarse) shares."""


def _through(*corners: Ratios) -> RatioPath:
    """Straight lines from corner to corner, each over an equal part of t."""

    def path(t: float) -> Ratios:
        place = t * (len(corners) - 1)
        start = min(int(place), len(corners) - 2)
        share = place - start
        here, there = corners[start], corners[start + 1]
        fine, medium, _ = ((1 - share) * a + share * b for a, b in zip(here, there, strict=True))
        return fine, medium, max(0.0, 1 - fine - medium)

    return path


def _binomial(t: float) -> Ratios:
    return t * t, 2 * t * (1 - t), (1 - t) * (1 - t)


PATHS: Mapping[str, RatioPath] = MappingProxyType(
    {
        "published": _through((0.0, 0.0, 1.0), (0.0, 0.5, 0.5), (0.1, 0.8, 0.1), (0.5, 0.4, 0.1), (1.0, 0.0, 0.0)),
        "binomial": _binomial,
    }
)
DEFAULT = "binomial"


def ratios(t: float, path: str = DEFAULT) -> Ratios:
    """The (fine, medium, coarse) shares at a place of a path.

    Args:
        t: from 0 (all coarse) to 1 (all fine).
        path: one of PATHS.

    Raises:
        ConfigError: t is not in [0, 1], or there is no such path.
    """
    if path not in PATHS:
        raise ConfigError(f"ratio path {path!r} is unknown; use one of {', '.join(PATHS)}")
    if not (math.isfinite(t) and 0 <= t <= 1):
        raise ConfigError(f"place {t:g} on the ratio path: give a number from 0 (all coarse) to 1 (all fine)")
    return PATHS[path](t)
