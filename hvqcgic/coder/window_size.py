"""How large the windows are that a picture is cut into, and where they lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch

from hvqcgic.coder.tiling import Batch, batches, tiles
from hvqcgic.errors import ConfigError

TileSize = int | Literal["auto"]
"""Side of the largest window that networks run over, in pixels; or "auto", see `AUTO_TILE`."""

AUTO_TILE = 2304
"""Pictures of no more pixels than such a square are not cut; others into windows of this side at most."""

UNIT = 16
"""Windows start at multiples of a coarse cell, in pixels."""


@dataclass(frozen=True)
class Sight:
    """How far a network sees: `halo` positions of its input, of `px` pixels each; windows start at `unit` of them.

    A halo of None is a network that is not to be cut.
    """

    halo: int | None
    unit: int
    px: int

    @property
    def smallest_tile(self) -> int:
        """The smallest window, in pixels, that leaves a core; 0 where nothing is cut."""
        return 0 if self.halo is None else (2 * self.halo + self.unit) * self.px


def px_at_once(device: torch.device) -> int:
    """How many pixels a device is given at once: a GPU those of the largest window, in several where they are small.

    0 on a processor, one window at a time: there a small tile is asked for to save memory.
    """
    return 0 if device.type == "cpu" else AUTO_TILE**2


class WindowSize:
    """The size that was asked for."""

    def __init__(self, tile: TileSize, device: torch.device) -> None:
        """Takes a size, and the device that windows are for: a GPU is given several small ones at once.

        Raises:
            ConfigError: it is none.
        """
        if tile != "auto" and (isinstance(tile, bool) or not isinstance(tile, int) or tile < UNIT):
            raise ConfigError(f"tile {tile!r} is no size; give a whole number of pixels from {UNIT} on, or auto")
        self._asked = tile
        self._px_at_once = px_at_once(device)
        self._tile = None if tile == "auto" else tile // UNIT * UNIT

    def check(self, sights: Callable[[], Iterable[Sight]], name: str) -> None:
        """Refuses a size (`ConfigError`) that is too small for what networks see; a chosen one is large enough.

        Args:
            sights: of the networks, asked for where a size was given.
            name: whose networks they are, for the message.
        """
        if self._tile is None:
            return
        if self._tile < (least := max(sight.smallest_tile for sight in sights())):
            raise ConfigError(
                f"tile {self._asked} leaves nothing inside what the networks of {name} see around it; "
                f"give at least {least}, or auto"
            )

    def tiles(self, height: int, width: int, sight: Callable[[], Sight], *, px: int = 1) -> list[Batch]:
        """Tiles of a plane on the grid of a network's input, one by one or, on a GPU, in batches.

        Args:
            height: of the plane, in positions.
            width: likewise.
            sight: of the network, asked for where the plane is cut.
            px: pixels along a side of a position.
        """
        most = (self._tile or AUTO_TILE) // px
        whole = max(height, width) <= most if self._tile else height * width <= most**2
        seen = None if whole else sight()
        if seen is None or seen.halo is None:
            cut = tiles(height, width, most=max(height, width), halo=0, unit=1)
        else:
            cut = tiles(height, width, most=most // seen.unit * seen.unit, halo=seen.halo, unit=seen.unit)
        return batches(cut, self._px_at_once // px**2)
