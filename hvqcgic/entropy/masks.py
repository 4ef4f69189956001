"""The granularity map as masks: the cells of each granularity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hvqcgic.bitstream import CELL_PX, GRANULARITIES

BoolArray = NDArray[np.bool_]

CELLS_PER_SIDE = {g: CELL_PX["coarse"] // CELL_PX[g] for g in GRANULARITIES}
"""Number of cells of a granularity along one side of a 16-pixel square."""


@dataclass(frozen=True, eq=False)
class Masks:
    """Three disjoint masks that together cover the padded picture once.

    Attributes:
        coarse: (h16, w16) bool, true where a 16-pixel cell is coded by one index.
        medium: (2 h16, 2 w16) bool, the same for 8-pixel cells.
        fine: (4 h16, 4 w16) bool, the same for 4-pixel cells.

    Raises:
        ValueError: shapes do not belong together, or the masks overlap or leave a gap.
    """

    coarse: BoolArray
    medium: BoolArray
    fine: BoolArray

    def __post_init__(self) -> None:
        h16, w16 = self.coarse.shape
        for granularity in GRANULARITIES:
            mask, side = self[granularity], CELLS_PER_SIDE[granularity]
            if mask.dtype != np.bool_ or mask.shape != (h16 * side, w16 * side):
                raise ValueError(
                    f"{granularity} mask is {mask.dtype} {mask.shape}, expected bool {(h16 * side, w16 * side)}"
                )
        cover = sum(regrid(self[g], g, "fine").astype(np.int8) for g in GRANULARITIES)
        if not np.all(cover == 1):
            raise ValueError("granularity masks must cover every 4-pixel cell exactly once")

    @classmethod
    def from_coarser(cls, coarse: BoolArray, medium: BoolArray) -> Masks:
        """Complete a map: cells that are neither coarse (h16, w16) nor medium (2 h16, 2 w16) are fine."""
        taken = regrid(coarse, "coarse", "fine") | regrid(medium, "medium", "fine")
        return cls(coarse, medium, ~taken)

    def __getitem__(self, granularity: str) -> BoolArray:
        return {"coarse": self.coarse, "medium": self.medium, "fine": self.fine}[granularity]

    def count(self, granularity: str) -> int:
        """Number of cells of one granularity, which is the number of its indices."""
        return int(np.count_nonzero(self[granularity]))

    def on_grid(self, granularity: str) -> BoolArray:
        """Return all three masks on the grid of one granularity.

        Returns:
            (3, h_g, w_g) bool in the order coarse, medium, fine; a finer mask is true where any of its cells
            lies inside the grid's cell.
        """
        return np.stack([regrid(self[g], g, granularity) for g in GRANULARITIES])


def regrid(mask: BoolArray, source: str, target: str) -> BoolArray:
    """Convert a mask from one granularity's grid to another's: repeat to a finer grid, "any" to a coarser one."""
    ratio_up = CELLS_PER_SIDE[target] // CELLS_PER_SIDE[source]
    if ratio_up >= 1:
        return mask.repeat(ratio_up, axis=0).repeat(ratio_up, axis=1)
    return any_in_blocks(mask, CELLS_PER_SIDE[source] // CELLS_PER_SIDE[target])


def any_in_blocks(mask: BoolArray, side: int) -> BoolArray:
    """True where a side × side block of the mask holds at least one true; the last blocks may be incomplete.

    Args:
        mask: (h, w) bool.
        side: length of a block's side, at least 1.

    Returns:
        (ceil(h / side), ceil(w / side)) bool.
    """
    h, w = mask.shape
    blocks_h, blocks_w = -(-h // side), -(-w // side)
    padded = np.zeros((blocks_h * side, blocks_w * side), np.bool_)
    padded[:h, :w] = mask
    return padded.reshape(blocks_h, side, blocks_w, side).any(axis=(1, 3))
