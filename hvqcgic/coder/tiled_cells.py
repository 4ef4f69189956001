"""Values of a picture's cells, tile by tile: the cells in a window, laid out on grids for the networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.bitstream import CELL_PX, GRANULARITIES
from hvqcgic.coder.tiling import Batch
from hvqcgic.models import GranularityMap, scatter_rows

Rows = Mapping[str, NDArray[Any]]
"""Values of the cells of each granularity, in raster order."""


@dataclass(frozen=True)
class CellWindow:
    """A granularity map within the windows of tiles.

    Attributes:
        masks: on the device of the networks, (B, 1, h_g, w_g) each.
        chosen: per granularity, (n_g,) int64: positions of the windows' cells among all cells, window by window.
    """

    masks: GranularityMap
    chosen: dict[str, NDArray[np.int64]]

    def take(self, rows: Rows) -> dict[str, Tensor]:
        """Select the windows' cells from rows (N_g, ...), on the device."""
        return {g: torch.from_numpy(rows[g][self.chosen[g]]).to(self.masks.fine.device) for g in GRANULARITIES}

    def lay_out(self, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Lay rows (n_g, C) of the windows' cells out on their grids, (B, C, h_g, w_g), with 0 elsewhere."""
        return {g: scatter_rows(rows[g], self.masks[g]) for g in rows}


class TiledCells:
    """The granularity map of a picture, by tiles whose positions are pixels."""

    def __init__(self, masks: Mapping[str, NDArray[np.bool_]], device: torch.device) -> None:
        """Args: masks: (h_g, w_g) each; device: of the networks."""
        self._device = device
        self._planes = {g: torch.from_numpy(masks[g])[None, None] for g in GRANULARITIES}
        ranks = {g: np.cumsum(masks[g], dtype=np.int32).reshape(masks[g].shape) for g in GRANULARITIES}
        self._ranks = {g: torch.from_numpy(values)[None, None] for g, values in ranks.items()}

    def window(self, tiles: Batch) -> CellWindow:
        """Return the cells in the windows of tiles."""
        own = {g: tiles.window(self._planes[g], CELL_PX[g]) for g in GRANULARITIES}
        chosen = {g: tiles.window(self._ranks[g], CELL_PX[g])[own[g]].long().numpy() - 1 for g in GRANULARITIES}
        return CellWindow(GranularityMap(*(own[g].to(self._device) for g in GRANULARITIES)), chosen)
