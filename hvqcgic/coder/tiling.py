"""Networks on tiles: parts of a picture are computed one after the other, each with the margin that the network reads.

    |<------------------ window ------------------>|     input of the network
    |<- halo ->|<----------- core ------>|<- halo ->|    the core is kept; it equals that of the whole picture

At a border of the picture there is no halo: the window ends there, and the network pads as for the whole picture. The
width of the halo is measured on the network itself, see `halo`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

PROBE_UNITS = 64
"""Length of a probe; a network with a halo above half of it is not cut."""


@dataclass(frozen=True)
class Span:
    """A tile along one axis.

    Attributes:
        start: first position of the window.
        stop: one past the window's end.
        first: first position of the core.
        last: one past the core's end.
    """

    start: int
    stop: int
    first: int
    last: int


@dataclass(frozen=True)
class Tile:
    """A tile of a plane, in positions on the grid of the network's input."""

    rows: Span
    columns: Span

    def window(self, plane: Tensor, scale: int = 1) -> Tensor:
        """Cut the window from a plane, (..., h, w), whose grid is `scale` times coarser than the network's input."""
        rows, columns = self.rows, self.columns
        return plane[
            ...,
            rows.start // scale : -(-rows.stop // scale),
            columns.start // scale : -(-columns.stop // scale),
        ]

    def put(self, found: Tensor, plane: Tensor, scale: int = 1) -> None:
        """Write the core of a network's output into a plane; the plane may end before the last tile does."""
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
    """Tiles with windows of one size, which a network processes together."""

    tiles: tuple[Tile, ...]

    def window(self, plane: Tensor, scale: int = 1, change: Callable[[Tensor], Tensor] = lambda own: own) -> Tensor:
        """Cut the windows from a plane, (1, C, h, w), apply `change`, and stack them along the first axis.

        `change` pads windows that the end of the plane cuts off, so that all windows have one size.
        """
        windows = [change(tile.window(plane, scale)) for tile in self.tiles]
        return windows[0] if len(windows) == 1 else torch.cat(windows)

    def put(self, found: Tensor, plane: Tensor, scale: int = 1) -> None:
        """Write the cores of a network's outputs into a plane, (1, C, h, w)."""
        for number, tile in enumerate(self.tiles):
            tile.put(found[number : number + 1], plane, scale)


def tiles(height: int, width: int, *, most: int, halo: int, unit: int) -> list[Tile]:
    """Return tiles whose cores cover a plane once; arguments as in `cut`."""
    sides = [cut(length, most=most, halo=halo, unit=unit) for length in (height, width)]
    return [Tile(rows, columns) for rows, columns in itertools.product(*sides)]


def batches(tiles: Iterable[Tile], positions: int) -> list[Batch]:
    """Group tiles by window size into batches of at most this number of positions, or of one tile."""
    same: dict[tuple[int, int], list[Tile]] = {}
    for tile in tiles:
        same.setdefault((tile.rows.stop - tile.rows.start, tile.columns.stop - tile.columns.start), []).append(tile)
    found = []
    for (height, width), alike in same.items():
        count = max(1, positions // (height * width))
        found += [Batch(tuple(alike[first : first + count])) for first in range(0, len(alike), count)]
    return found


def cut(length: int, *, most: int, halo: int, unit: int) -> list[Span]:
    """Cut an axis into as few windows as possible, of about equal length.

    Args:
        length: of the axis.
        most: largest length of a window; a multiple of the unit, at least 2 halo + unit.
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
    """Measure the width of the margin that a network reads around its output, in positions of its input.

    Half of a blank input is set to "not a number", which spreads through every operation that reads it. Its reach into
    the other half is the width of the halo of a tile. The result holds for the network as it runs, whatever its layers
    are. A norm over the picture, or attention, reads everything.

    Args:
        run: the network, from an input (1, channels, h, w), h and w multiples of the unit, to outputs whose grids are
            finer or coarser by a whole factor.
        channels: of the input.
        unit: windows start at multiples of this number of input positions.
        device: of the network.
    Returns:
        a multiple of the unit; None if the margin exceeds half the probe.
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
