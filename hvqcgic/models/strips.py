"""Residual blocks on large planes: strips of rows go through both convolutions while they lie in a processor's cache.

    rows of x    ....|r-1 r ......... r+n|....      first convolution of rows r to r+n, from x as it was
    rows of x    ..|r-4 ........ r+n-4|.......      second convolution, added to x in place, four rows behind

The second convolution follows four rows behind the first, so that the first always reads rows that have not changed
yet. Beside x there is memory for a strip alone. Whole planes as intermediate results would take fresh pages from the
system for each, which costs up to half as much time as the sums.

A convolution by tiles of 4 x 4 (`winograd`) gives the same bits in every window of a picture only if windows begin at
tiles. They do at H/4, where most of the work is; its blocks are `tiled`. The others convolve as PyTorch does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvqcgic.models.bf16 import in_bf16, runs_in_bf16
from hvqcgic.models.winograd import TILE, WinogradRows, is_faster
from hvqcgic.parallel import each_in_threads, threads_for

if TYPE_CHECKING:
    from hvqcgic.models.backbone import ResidualBlock

POSITIONS, POSITIONS_IN_THREADS = 2048, 8192
"""Positions of a strip: 80 channels of 2048 take 0.7 MB. Threads beside each other lose less time with longer ones."""
POSITIONS_IN_BF16 = 2**15
"""Positions of a strip in bfloat16 with one thread, where convolutions take half the time and calls weigh more."""

LARGE_PLANE = 2**18
"""Positions from which strips pay without tiles: smaller planes lie in a processor's outer cache as a whole."""


def pays(block: ResidualBlock, x: Tensor) -> bool:
    """Whether a block should go strip by strip over a plane, (B, C, h, w)."""
    return x.device.type == "cpu" and len(x) == 1 and (block.tiled or x.shape[2] * x.shape[3] > LARGE_PLANE)


def add_in_strips(block: ResidualBlock, x: Tensor) -> Tensor:
    """X + conv(silu(conv(silu(x)))) without gradient.

    Args:
        block: its two convolutions of 3 x 3.
        x: (1, C, h, w); changed in place if it lies in memory channels last.
    Returns:
        (1, C, h, w), channels last.
    """
    rows_of_x = x.permute(0, 2, 3, 1).contiguous()
    height, width = rows_of_x.shape[1:3]
    first, second = (_Rows(own, tiled=block.tiled and is_faster(x, own)) for own in (block.first, block.second))
    threads = threads_for(height * width // POSITIONS_IN_THREADS)
    share = -(-height // (threads * TILE)) * TILE
    alone = POSITIONS if first.dtype == torch.float32 else POSITIONS_IN_BF16
    most = max((alone if threads == 1 else POSITIONS_IN_THREADS) // width // TILE, 1) * TILE
    most = min(most, share + 2 * TILE)
    bands = [_Band(rows_of_x, start, min(start + share, height)) for start in range(0, height, share)]

    @torch.inference_mode()
    def work(band: _Band) -> None:
        _add(band, first, second, most)

    each_in_threads(work, bands)
    return rows_of_x.permute(0, 3, 1, 2)


class _Band:
    """Rows of a plane that one thread changes, and the rows around them as they were before.

    Attributes:
        rows: (1, h, w, C), the thread's own, a view of the plane.
        start: row of the plane where the first convolution begins: a tile above the band, but not above the plane.
        stop: row where it ends: a tile below the band, but not below the plane.
        first: the band's first row.
        last: one past its last row.
    """

    def __init__(self, plane: Tensor, first: int, last: int) -> None:
        height = plane.shape[1]
        self.rows, self.first, self.last = plane[:, first:last], first, last
        self.start, self.stop = max(first - TILE, 0), min(last + TILE, height)
        self.above = plane[:, max(self.start - 1, 0) : first].clone()
        self.below = plane[:, last : min(self.stop + 1, height)].clone()

    def before(self, start: int, stop: int) -> Tensor:
        """Rows [start, stop) of the plane, with zeros outside of it; those of the band as they are now."""
        top, bottom = self.first - self.above.shape[1], self.last + self.below.shape[1]
        inside = (max(start, top), min(stop, bottom))
        parts = [self.above[:, inside[0] - top :]] if inside[0] < self.first else []
        parts.append(self.rows[:, max(inside[0] - self.first, 0) : max(inside[1] - self.first, 0)])
        parts += [self.below[:, : inside[1] - self.last]] if inside[1] > self.last else []
        found = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        missing = (inside[0] - start, stop - inside[1])
        return F.pad(found, (0, 0, 0, 0, *missing)) if any(missing) else found


def _add(band: _Band, first: _Rows, second: _Rows, most: int) -> None:
    """Both convolutions of a band, in strips of at most this number of rows."""
    _, _, width, channels = band.rows.shape
    # Five rows of the strip before, the strip, and a row of zeros below the plane.
    middle = band.rows.new_zeros(1, TILE + 1 + most + 1, width, channels, dtype=first.dtype)
    for row in range(band.start, band.stop, most):
        count, last = min(most, band.stop - row), row + most >= band.stop
        found = first(first.activated(band.before(row - 1, row + count + 1)))
        middle[:, TILE + 1 : TILE + 1 + count] = F.silu(found, inplace=True)
        if last:
            middle[:, TILE + 1 + count] = 0
        start, stop = max(row - TILE, band.first), band.last if last else min(row + count - TILE, band.last)
        if stop > start:
            own = band.rows[:, start - band.first : stop - band.first]
            own += second(middle[:, start + TILE - row : stop + TILE + 2 - row])
        middle[:, : TILE + 1] = middle[:, count : count + TILE + 1].clone()


class _Rows:
    """A convolution of 3 x 3 from (1, n + 2, w, C) to (1, n, w, K), with zeros left and right of the rows.

    Attributes:
        dtype: of its results, bfloat16 or float32.
    """

    def __init__(self, convolution: nn.Conv2d, *, tiled: bool) -> None:
        """Args: convolution: with a bias; tiled: whether n and w are multiples of 4, and float32 goes by tiles."""
        half = runs_in_bf16(convolution)
        self._weight, self._bias = in_bf16(convolution) if half else (convolution.weight, convolution.bias)
        self._by_tiles = WinogradRows(convolution.weight) if tiled and not half else None
        self.dtype = self._weight.dtype

    def activated(self, rows: Tensor) -> Tensor:
        """SiLU of rows, in the type that the convolution reads; the rows stay as they are."""
        return F.silu(rows) if self.dtype == rows.dtype else F.silu(rows.to(self.dtype), inplace=True)

    def __call__(self, rows: Tensor) -> Tensor:
        if self._by_tiles is not None:
            assert self._bias is not None
            return self._by_tiles(rows).add_(self._bias)
        planes = rows.to(self.dtype).permute(0, 3, 1, 2)
        return F.conv2d(planes, self._weight, self._bias, padding=(0, 1)).permute(0, 2, 3, 1)
