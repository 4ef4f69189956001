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

import torch.nn.functional as F
from torch import Tensor, nn

from hvqcgic.models.winograd import TILE, WinogradRows, is_faster

if TYPE_CHECKING:
    from hvqcgic.models.backbone import ResidualBlock

POSITIONS = 2048
"""Positions of a strip. 80 channels of them take 0.7 MB."""


def add_in_strips(block: ResidualBlock, x: Tensor) -> Tensor:
    """x + conv(silu(conv(silu(x)))) without gradient.

    Args:
        block: its two convolutions of 3 x 3.
        x: (1, C, h, w); changed in place if it lies in memory channels last.
    Returns:
        (1, C, h, w), channels last.
    """
    rows_of_x = x.permute(0, 2, 3, 1).contiguous()
    _, height, width, channels = rows_of_x.shape
    first, second = (_Rows(own, tiled=block.tiled and is_faster(x, own)) for own in (block.first, block.second))
    most = max(POSITIONS // width // TILE, 1) * TILE
    # Five rows of the strip before, the strip, and a row of zeros below the plane.
    middle = rows_of_x.new_zeros(1, TILE + 1 + most + 1, width, channels)
    for row in range(0, height, most):
        count, last = min(most, height - row), row + most >= height
        top, bottom = int(row == 0), int(last)
        seen = F.silu(rows_of_x[:, row - 1 + top : row + count + 1 - bottom])
        found = first(F.pad(seen, (0, 0, 0, 0, top, bottom)) if top or bottom else seen)
        middle[:, TILE + 1 : TILE + 1 + count] = F.silu(found, inplace=True)
        if last:
            middle[:, TILE + 1 + count] = 0
        start, stop = max(row - TILE, 0), height if last else row + count - TILE
        if stop > start:
            rows_of_x[:, start:stop] += second(middle[:, start + TILE - row : stop + TILE + 2 - row])
        middle[:, : TILE + 1] = middle[:, count : count + TILE + 1].clone()
    return rows_of_x.permute(0, 3, 1, 2)


class _Rows:
    """A convolution of 3 x 3 from (1, n + 2, w, C) to (1, n, w, K), with zeros left and right of the rows."""

    def __init__(self, convolution: nn.Conv2d, *, tiled: bool) -> None:
        """Args: convolution: with a bias; tiled: whether n and w are multiples of 4, and it is computed by tiles."""
        self._weight, self._bias = convolution.weight, convolution.bias
        self._by_tiles = WinogradRows(convolution.weight) if tiled else None

    def __call__(self, rows: Tensor) -> Tensor:
        if self._by_tiles is not None:
            assert self._bias is not None
            return self._by_tiles(rows).add_(self._bias)
        return F.conv2d(rows.permute(0, 3, 1, 2), self._weight, self._bias, padding=(0, 1)).permute(0, 2, 3, 1)
