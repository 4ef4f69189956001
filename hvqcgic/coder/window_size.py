"""Sizes and positions of the windows that a picture is cut into."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch

from hvqcgic.coder.tiling import Batch, batches, tiles
from hvqcgic.errors import ConfigError

TileSize = int | Literal["auto"]
"""Side of the largest window that networks process, in pixels; or "auto", see `AUTO_TILE`."""

AUTO_TILE = 2304
"""Pictures with more pixels than a square of this side are cut into windows of at most this side."""

UNIT = 16
"""Windows start at multiples of this number of pixels, a coarse cell."""


@dataclass(frozen=True)
class Sight:
    """Receptive field of a network: `halo` positions of its input, of `px` pixels each; windows start at `unit`.

    A halo of None marks a network that must not be cut.
    """

    halo: int | None
    unit: int
    px: int

    @property
    def smallest_tile(self) -> int:
        """The smallest window, in pixels, that leaves a core; 0 if nothing is cut."""
        return 0 if self.halo is None else (2 * self.halo + self.unit) * self.px


def px_at_once(device: torch.device) -> int:
    """Number of pixels that a device processes at once: on a GPU those of the largest window, in several small windows.

    On a processor the result is 0, that is, one window at a time, because a small tile is meant to save memory there.
    """
    return 0 if device.type == "cpu" else AUTO_TILE**2


class WindowSize:
    """The requested tile size."""

    def __init__(self, tile: TileSize, device: torch.device) -> None:
        """Set the size and the device of the windows; a GPU processes several small windows at once.

        Raises:
            ConfigError: the size is not valid.
        """
        if tile != "auto" and (isinstance(tile, bool) or not isinstance(tile, int) or tile < UNIT):
            raise ConfigError(f"tile {tile!r} is no size; give a whole number of pixels from {UNIT} on, or auto")
        self._asked = tile
        self._px_at_once = px_at_once(device)
        self._tile = None if tile == "auto" else tile // UNIT * UNIT

    def check(self, sights: Callable[[], Iterable[Sight]], name: str) -> None:
        """Raise `ConfigError` if the requested size is too small for the networks; the automatic size is large enough.

        Args:
            sights: receptive fields of the networks, computed only for a requested size.
            name: name of the model, for the message.
        """
        if self._tile is None:
            return
        if self._tile < (least := max(sight.smallest_tile for sight in sights())):
            raise ConfigError(
                f"tile {self._asked} leaves nothing inside what the networks of {name} see around it; "
                f"give at least {least}, or auto"
            )

    def tiles(self, height: int, width: int, sight: Callable[[], Sight], *, px: int = 1) -> list[Batch]:
        """Cut a plane into tiles on the grid of a network's input, one by one or, on a GPU, in batches.

        Args:
            height: of the plane, in positions.
            width: of the plane, in positions.
            sight: receptive field of the network, computed only if the plane is cut.
            px: side of a position in pixels.
        """
        most = (self._tile or AUTO_TILE) // px
        whole = max(height, width) <= most if self._tile else height * width <= most**2
        seen = None if whole else sight()
        if seen is None or seen.halo is None:
            cut = tiles(height, width, most=max(height, width), halo=0, unit=1)
        else:
            cut = tiles(height, width, most=most // seen.unit * seen.unit, halo=seen.halo, unit=seen.unit)
        return batches(cut, self._px_at_once // px**2)
