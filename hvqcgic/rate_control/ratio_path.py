"""One parameter for the rate: paths through the ratios along which files grow.

A path goes from all coarse (t = 0) to all fine (t = 1); coarse cells never become more along it, fine ones never less.
A 16 x 16 px area costs 1 index as a coarse cell, 4 as medium cells and 16 as fine ones, so the number of indices grows
strictly with t, and with it the rate.

    published straight lines through the triples of Control-GIC's tables
    binomial  fine t², medium 2 t (1 - t), coarse (1 - t)²: as if every split were a coin of chance t

`experiments/encoder_choices.py` compares them. DEFAULT was chosen on validation pictures: it is level with the other
one by LPIPS, and ahead by PSNR.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from hvqcgic.errors import ConfigError
from hvqcgic.models import Ratios

RatioPath = Callable[[float], Ratios]
"""Place in [0, 1] to (fine, medium, coarse) shares."""


def _through(*corners: Ratios) -> RatioPath:
    """Straight lines from corner to corner, each as long in t as the others."""

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
