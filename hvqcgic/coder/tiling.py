"""Networks over tiles: parts of a picture computed one after the other, with as much around each as the network sees.

    |<------------------ window ------------------>|     what the network is given
    |<- halo ->|<----------- core ------>|<- halo ->|    what is kept: the same as of the whole picture

At a border of the picture there is no halo: the window ends there, and the network pads as it does for the whole. How
wide a halo must be is asked of the network itself, see `halo`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

PROBE_UNITS = 64
"""Length of a probe: a network that sees further than half of it is not worth cutting."""


@dataclass(frozen=True)
class Span:
    """A tile along one axis.

    Attributes:
        start: of the window.
        stop: one past the window's end.
        first: of the core.
        last: one past the core's end.
    """

    start: int
    stop: int
    first: int
    last: int


@dataclass(frozen=True)
class Tile:
    """A tile of a plane; positions count on the grid of the network's input."""

    rows: Span
    columns: Span

    def window(self, plane: Tensor, scale: int = 1) -> Tensor:
        """The window of a plane, (..., h, w), whose grid is `scale` times coarser than the network's input."""
        rows, columns = self.rows, self.columns
        return plane[
            ...,
            rows.start // scale : -(-rows.stop // scale),
            columns.start // scale : -(-columns.stop // scale),
        ]

    def put(self, found: Tensor, plane: Tensor, scale: int = 1) -> None:
        """Writes the core of what a network made of the window into a plane, which may end before the last tile's."""
        rows, columns = self.rows, self.columns
        place = plane[
            ...,
            rows.first // scale : -(-rows.last // scale),
            columns.first // scale : -(-columns.last // scale),
        ]
        top, left = (rows.first - rows.start) // scale, (columns.first - columns.start) // scale
        place.copy_(found[..., top : top + place.shape[-2], left : left + place.shape[-1]])


@dataclass(frozen=True)
class Batch:
    """Tiles whose windows have one size, which a network is given at once."""

    tiles: tuple[Tile, ...]

    def window(self, plane: Tensor, scale: int = 1, change: Callable[[Tensor], Tensor] = lambda own: own) -> Tensor:
        """Windows of a plane, (1, C, h, w), changed as is said, one after the other along its first axis.

        A change makes windows of one size of those that the plane's end cuts off.
        """
        windows = [change(tile.window(plane, scale)) for tile in self.tiles]
        return windows[0] if len(windows) == 1 else torch.cat(windows)

    def put(self, found: Tensor, plane: Tensor, scale: int = 1) -> None:
        """Writes the cores of what a network made of the windows into a plane, (1, C, h, w)."""
        for number, tile in enumerate(self.tiles):
            tile.put(found[number : number + 1], plane, scale)


def tiles(height: int, width: int, *, most: int, halo: int, unit: int) -> list[Tile]:
    """Tiles whose cores cover a plane once; arguments as of `cut`."""
    sides = [cut(length, most=most, halo=halo, unit=unit) for length in (height, width)]
    return [Tile(rows, columns) for rows, columns in itertools.product(*sides)]


def batches(tiles: Iterable[Tile], positions: int) -> list[Batch]:
    """Tiles in batches of one size of window and at most so many positions, or of one tile."""
    same: dict[tuple[int, int], list[Tile]] = {}
    for tile in tiles:
        same.setdefault((tile.rows.stop - tile.rows.start, tile.columns.stop - tile.columns.start), []).append(tile)
    found = []
    for (height, width), alike in same.items():
        count = max(1, positions // (height * width))
        found += [Batch(tuple(alike[first : first + count])) for first in range(0, len(alike), count)]
    return found


def cut(length: int, *, most: int, halo: int, unit: int) -> list[Span]:
    """As few windows as possible along an axis, all about as long.

    Args:
        length: of the axis.
        most: length of a window; a multiple of the unit, at least 2 halo + unit.
        halo: see `halo`.
        unit: windows and cores start at multiples of it.
    """
    if length <= most:
        return [Span(0, length, 0, length)]
    count = -(-(length - 2 * halo) // (most - 2 * halo))
    size = math.ceil((length + 2 * halo * (count - 1)) / count / unit) * unit
    starts = [i * (size - 2 * halo) for i in range(count)]
    firsts = [0, *(start + halo for start in starts[1:]), length]
    return [
        Span(start, min(start + size, length), first, last)
        for start, first, last in zip(starts, firsts[:-1], firsts[1:], strict=True)
    ]


@torch.inference_mode()
def halo(run: Callable[[Tensor], Iterable[Tensor]], channels: int, unit: int, device: torch.device) -> int | None:
    """How far a network sees beyond what it computes, in positions of its input.

    Half of a blank input is made "not a number", which every operation hands on that reads it: how far it comes into
    the other half is how wide the halo of a tile must be. The answer holds for the network as it runs, whatever it is
    built of; a norm over the picture or attention sees everything.

    Args:
        run: the network, of an input (1, channels, h, w), h and w multiples of the unit, to outputs whose grids are
            finer or coarser by a whole factor.
        channels: of the input.
        unit: positions of the input that windows start at multiples of.
        device: of the network.
    Returns:
        a multiple of the unit; None where the network sees further than half the probe.
    """
    length = PROBE_UNITS * unit
    half, far = length // 2, 0.0
    for axis, backwards in itertools.product((-1, -2), (False, True)):
        shape = [1, channels, unit, unit]
        shape[axis] = length
        probe = torch.zeros(shape, device=device)
        probe.narrow(axis, half if backwards else 0, half).fill_(math.nan)
        for output in run(probe):
            seen = output.isnan().movedim(axis, 0).flatten(1).any(1)
            reached = int((seen.flip(0) if backwards else seen).nonzero().max()) + 1
            far = max(far, reached * length / len(seen) - half)
    return None if far >= half else math.ceil(far / unit) * unit
