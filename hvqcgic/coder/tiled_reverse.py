"""The reverse path on pictures of any size: memory holds the whole state; networks run tile by tile on large ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.bitstream import CELL_PX
from hvqcgic.coder.tiled_cells import CellWindow, Rows, TiledCells
from hvqcgic.coder.tiled_networks import as_latents, as_pixels, blank_means, means_in
from hvqcgic.coder.tiling import Batch, halo
from hvqcgic.coder.window_size import UNIT, Sight, TileSize, WindowSize
from hvqcgic.models import Estimate, Known, PictureModel, ReverseModel, every_size, reverse

PX = CELL_PX["fine"]
"""Side in pixels of a position of the state."""


@dataclass(frozen=True)
class ReadCells:
    """The values of the cells in a file that the reverse path reads, see `hvqcgic.models.reverse_path`.

    Attributes:
        masks: the granularity map, (h_g, w_g) each.
        indices: per granularity, (N_g,).
        mean: of each cell's code under the index prior, (N_g, d) float32 each.
        deviation: standard deviation of each cell's code under the index prior, (N_g, d) float32 each.
        means: latents of local means, (3, h, w); None for a model without.
    """

    masks: Mapping[str, NDArray[np.bool_]]
    indices: Rows
    mean: Rows
    deviation: Rows
    means: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Sampling:
    """Options of the reverse path.

    Attributes:
        steps: 1 or more.
        randomness: factor of the noise, at least 0.
        seed: of the noise.
    """

    steps: int
    randomness: float
    seed: int


class TiledReverse:
    """The reverse path of one model."""

    def __init__(
        self, model: ReverseModel, networks: PictureModel, device: torch.device, tile: TileSize = "auto"
    ) -> None:
        """Create a reverse path that is ready to run.

        Args:
            model: in evaluation mode.
            networks: of its frozen model, in evaluation mode.
            device: device of both.
            tile: see `TileSize`.

        Raises:
            ConfigError: the tile is no valid size, or too small for the margin that the networks read.
        """
        self._model, self._networks, self._device = model, networks, device
        self._windows = WindowSize(tile, device)
        name = f"the reverse path of {networks.config.name}"
        self._windows.check(lambda: (self._sight_of_step, self._sight_of_picture), name)

    @torch.inference_mode()
    def reconstruct(self, read: ReadCells, sampling: Sampling, *, height: int, width: int) -> NDArray[np.uint8]:
        """Decode the picture, (H, W, 3), along the path.

        Noise is drawn for the whole plane, so that a seed gives the same picture for any tiles.

        Args:
            read: the cells of a file.
            sampling: steps, randomness and seed.
            height: of the picture before padding.
            width: of the picture before padding.
        """
        pixels = np.empty((height, width, 3), np.uint8)
        target = torch.from_numpy(pixels).permute(2, 0, 1)[None]
        cells = TiledCells(read.masks, self._device)
        state = self._follow(read, cells, sampling)
        latents = as_latents(read.means, self._device)
        for tile in self._tiles(read, lambda: self._sight_of_picture):
            means = None if latents is None else means_in(tile, self._networks.config, latents)
            known = self._known(read, cells.window(tile), means)
            found = self._estimate(state, 1 / sampling.steps, tile, known)
            tile.put(as_pixels(self._model.picture(found, known, self._networks.decoder)), target)
        return pixels

    def _follow(self, read: ReadCells, cells: TiledCells, sampling: Sampling) -> Tensor:
        """The state before the last step, (1, d, H/4, W/4), on the CPU."""
        tiles = self._tiles(read, lambda: self._sight_of_step)
        height, width = read.masks["fine"].shape
        start, level = (torch.empty(1, count, height, width) for count in (self._model.code_width, 1))
        for tile in tiles:
            known = self._known(read, cells.window(tile))
            tile.put(known.start, start, PX)
            tile.put(known.level, level, PX)

        def estimate(state: Tensor, time: float) -> Tensor:
            found = torch.empty_like(state)
            for tile in tiles:
                known = self._known(read, cells.window(tile))
                tile.put(self._estimate(state, time, tile, known).features, found, PX)
            return found

        generator = torch.Generator().manual_seed(sampling.seed)
        return reverse(
            estimate,
            start,
            level,
            self._model.config,
            steps=sampling.steps,
            randomness=sampling.randomness,
            noise=lambda: torch.randn(start.shape, generator=generator),
        )

    def _known(self, read: ReadCells, window: CellWindow, means: Tensor | None = None) -> Known:
        """Inputs of the network in a window that the decoder knows."""
        codes = {g: self._networks.quantiser.codebook[indices] for g, indices in window.take(read.indices).items()}
        mean, deviation = (window.lay_out(window.take(rows)) for rows in (read.mean, read.deviation))
        return self._model.known(window.lay_out(codes), mean, deviation, window.masks, means)

    def _estimate(self, state: Tensor, time: float, tile: Batch, known: Known) -> Estimate:
        """Estimate of the network for the state in the windows of tiles."""
        own = tile.window(state, PX).to(self._device)
        return self._model.network(own, torch.full(own.shape[:1], time, device=self._device), known)

    def _tiles(self, read: ReadCells, sight: Callable[[], Sight]) -> list[Batch]:
        rows, columns = (side * PX for side in read.masks["fine"].shape)
        return self._windows.tiles(rows, columns, sight)

    @cached_property
    def _sight_of_step(self) -> Sight:
        return self._sight(lambda estimate, known: [estimate.features])

    @cached_property
    def _sight_of_picture(self) -> Sight:
        """Receptive field of the last step and the decoder after it."""
        return self._sight(lambda estimate, known: [self._model.picture(estimate, known, self._networks.decoder)])

    def _sight(self, behind: Callable[[Estimate, Known], list[Tensor]]) -> Sight:
        """Receptive field of the network together with a function that runs after it."""
        network, width = self._model.network, self._model.code_width
        now, reads = torch.ones(1, device=self._device), self._networks.config.means is not None

        def run(probe: Tensor) -> list[Tensor]:
            state, level, planes = probe[:, :width], probe[:, width : width + 1], probe[:, width + 1 :]
            grey = blank_means(planes) if reads else None
            known = Known(state, planes, level, every_size(state), grey)
            return behind(network(state, now, known), known)

        far = halo(run, network.stem.in_channels, UNIT // PX, self._device)
        return Sight(None if far is None else far * PX, UNIT, 1)
