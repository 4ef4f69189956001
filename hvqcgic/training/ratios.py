"""Ratios of the training pictures."""

from __future__ import annotations

import torch

from hvqcgic.models import Ratios


def draw_ratios(count: int, favoured: Ratios, favoured_share: float, *, generator: torch.Generator) -> list[Ratios]:
    """Draw ratios for `count` pictures: the favoured ratios, or uniform on the simplex to cover all ratios of users.

    Args:
        count: number of pictures.
        favoured: (fine, medium, coarse).
        favoured_share: probability of the favoured ratios, 0 to 1.
        generator: source of the draws.
    """
    drawn: list[Ratios] = []
    for _ in range(count):
        coin, first, second = torch.rand(3, generator=generator).tolist()
        low, high = sorted((first, second))
        drawn.append(favoured if coin < favoured_share else (low, high - low, 1 - high))
    return drawn
