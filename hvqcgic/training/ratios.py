"""Which ratios each training picture gets."""

from __future__ import annotations

import torch

from hvqcgic.models import Ratios


def draw_ratios(count: int, favoured: Ratios, favoured_share: float, *, generator: torch.Generator) -> list[Ratios]:
    """Ratios for `count` pictures: the favoured ones, or uniform on the simplex, so that users may ask for any.

    Args:
        count: pictures.
        favoured: (fine, medium, coarse).
        favoured_share: probability of these, 0 to 1.
        generator: source of the draws.
    """
    drawn: list[Ratios] = []
    for _ in range(count):
        coin, first, second = torch.rand(3, generator=generator).tolist()
        low, high = sorted((first, second))
        drawn.append(favoured if coin < favoured_share else (low, high - low, 1 - high))
    return drawn
