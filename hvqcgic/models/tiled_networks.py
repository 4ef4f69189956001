"""The picture networks of a model over pictures of any size: at once where they are small, else tile by tile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.errors import ConfigError
from hvqcgic.models.decoder import assemble
from hvqcgic.models.granularity import GranularityMap, pad_to_cells
from hvqcgic.models.index_prior import parameter_count
from hvqcgic.models.picture_model import PictureModel, scatter_rows
from hvqcgic.models.tiling import Tile, halo, tiles
from hvqcgic.schedule import CELL_PX, GRANULARITIES

TileSize = int | Literal["auto"]
"""Side of the largest window that networks run over, in pixels; or "auto", see `AUTO_TILE`."""

AUTO_TILE = 2304
"""Pictures of no more pixels than such a square are not cut; others into windows of this side at most."""

UNIT = 16
"""Windows start at multiples of a coarse cell."""

HYPER_UNIT = 4
"""Cells along one side of what a position of a hyper-latent describes."""

PX_OF_PLANES = CELL_PX["fine"]
"""Pixels that a position of a plane of features counts as: a tile has as many positions in all of them."""

Rows = Mapping[str, NDArray[Any]]
"""Numbers of the cells of each granularity, in raster order."""


@dataclass(frozen=True)
class Sight:
    """How far a network sees: `halo` positions of its input, of `px` pixels each; windows start at `unit` of them."""

    halo: int | None
    unit: int
    px: int

    @property
    def smallest_tile(self) -> int:
        """The smallest window, in pixels, that leaves a core; 0 where nothing is cut."""
        return 0 if self.halo is None else (2 * self.halo + self.unit) * self.px


class TiledNetworks:
    """Encoder, hyper-analyses and decoder of one model.

    Args:
        networks: in evaluation mode.
        device: where they are.
        tile: see `TileSize`.

    Raises:
        ConfigError: the tile is no size, or too small for what the networks see around it.
    """

    def __init__(self, networks: PictureModel, device: torch.device, tile: TileSize = "auto") -> None:
        self._networks, self._device = networks, device
        self._tile: int | None = None
        if tile == "auto":
            return
        if isinstance(tile, bool) or not isinstance(tile, int) or tile < UNIT:
            raise ConfigError(f"tile {tile!r} is no size; give a whole number of pixels from {UNIT} on, or auto")
        self._tile = tile // UNIT * UNIT
        if self._tile < (least := max(sight.smallest_tile for sight in self._sights.values())):
            raise ConfigError(
                f"tile {tile} leaves nothing inside what the networks of {networks.config.name} see around it; "
                f"give at least {least}, or auto"
            )

    @torch.inference_mode()
    def features(self, pixels: NDArray[np.uint8]) -> dict[str, Tensor]:
        """Features of a picture, (H, W, 3), as `Encoder` gives them of the padded one."""
        height, width = (-(-side // UNIT) * UNIT for side in pixels.shape[:2])
        values = torch.from_numpy(pixels).permute(2, 0, 1)[None]
        found: dict[str, Tensor] = {}
        for tile in self._tiles(height, width, "encoder"):
            part = self._networks.encoder(pad_to_cells(tile.window(values).float() / 255).to(self._device))
            for g, y in part.items():
                if g not in found:
                    found[g] = y.new_empty(1, y.shape[1], height // CELL_PX[g], width // CELL_PX[g])
                tile.put(y, found[g], CELL_PX[g])
        return found

    @torch.inference_mode()
    def hyper_latents(self, features: dict[str, Tensor], masks: GranularityMap) -> dict[str, Tensor]:
        """As `PictureModel.hyper_latents`, of one picture."""
        found: dict[str, Tensor] = {}
        for g in self._networks.z_channels:
            height, width = features[g].shape[-2:]
            found[g] = features[g].new_empty(1, self._networks.z_channels[g], -(-height // 4), -(-width // 4))
            for tile in self._tiles(height, width, g):
                part = self._networks.hyper_latent(g, tile.window(features[g]), tile.window(masks[g]))
                tile.put(part, found[g], 4)
        return found

    @torch.inference_mode()
    def reconstruct(
        self, indices: Rows, masks: Mapping[str, NDArray[np.bool_]], parameters: Rows | None, *, height: int, width: int
    ) -> NDArray[np.uint8]:
        """The picture, (H, W, 3), that indices stand for.

        Args:
            indices: per granularity, (N_g,), or codes themselves, (N_g, d) float32.
            masks: the granularity map, (h_g, w_g) each.
            parameters: the index prior's, (P, N_g) each, of a decoder that reads them.
            height: of the picture before padding.
            width: see height.
        """
        pixels = np.empty((height, width, 3), np.uint8)
        target = torch.from_numpy(pixels).permute(2, 0, 1)
        planes = {g: torch.from_numpy(masks[g])[None, None] for g in GRANULARITIES}
        ranks = {g: torch.from_numpy(np.cumsum(masks[g], dtype=np.int32).reshape(masks[g].shape)) for g in masks}
        rows, columns = (side * UNIT for side in masks["coarse"].shape)
        for tile in self._tiles(rows, columns, "decoder"):
            own = {g: tile.window(planes[g], CELL_PX[g]) for g in GRANULARITIES}
            chosen = {g: tile.window(ranks[g], CELL_PX[g])[own[g][0, 0]].long().numpy() - 1 for g in GRANULARITIES}
            on_device = GranularityMap(*(own[g].to(self._device) for g in GRANULARITIES))
            codes = {g: self._codes(self._on_device(indices[g][chosen[g]])) for g in chosen}
            told = None
            if parameters is not None:
                numbers = {g: self._on_device(parameters[g].T[chosen[g]]) for g in chosen}
                told = assemble(_lay_out(numbers, on_device), on_device)
            decoded = self._networks.reconstruct(_lay_out(codes, on_device), on_device, told)[0]
            tile.put((decoded.clamp(0, 1) * 255).round().to(torch.uint8).cpu(), target)
        return pixels

    def _codes(self, values: Tensor) -> Tensor:
        return self._networks.quantiser.codebook[values] if values.ndim == 1 else values

    def _on_device(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(self._device)

    def _tiles(self, height: int, width: int, network: str) -> list[Tile]:
        """Tiles of a plane on the grid of a network's input."""
        px = PX_OF_PLANES if network in GRANULARITIES else 1
        most = (self._tile or AUTO_TILE) // px
        whole = max(height, width) <= most if self._tile else height * width <= most**2
        sight = None if whole else self._sights[network]
        if sight is None or sight.halo is None:
            return tiles(height, width, most=max(height, width), halo=0, unit=1)
        return tiles(height, width, most=most // sight.unit * sight.unit, halo=sight.halo, unit=sight.unit)

    @cached_property
    def _sights(self) -> dict[str, Sight]:
        """How far "encoder", "decoder" and each granularity's hyper-analysis see; asked for once pictures are cut."""
        networks, device = self._networks, self._device
        width = networks.config.code_width
        far = halo(lambda picture: networks.encoder(picture).values(), 3, UNIT, device)
        sights = {"encoder": Sight(far, UNIT, 1), "decoder": self._decoder_sight()}
        for g in networks.z_channels:
            analysis = networks.analysis[g]
            far = halo(lambda y, h_a=analysis: [h_a(y, torch.ones_like(y[:, :1]))], width, HYPER_UNIT, device)
            sights[g] = Sight(far, HYPER_UNIT, PX_OF_PLANES)
        return sights

    def _decoder_sight(self) -> Sight:
        config = self._networks.config
        width, reads = config.code_width, config.backbone.decoder_prior
        told = parameter_count(config.entropy, width) if reads else 0

        def run(probe: Tensor) -> list[Tensor]:
            # Cells of every size everywhere, which no map has: nothing is skipped.
            masks = GranularityMap(*(torch.ones_like(probe[:, :1, ::n, ::n], dtype=torch.bool) for n in (4, 2, 1)))
            return [self._networks.decoder(probe[:, :width], masks, probe[:, width:] if reads else None)]

        fine = CELL_PX["fine"]
        far = halo(run, width + told, UNIT // fine, self._device)
        return Sight(None if far is None else far * fine, UNIT, 1)


def _lay_out(rows: Mapping[str, Tensor], masks: GranularityMap) -> dict[str, Tensor]:
    """Rows (N_g, C) of the cells of each granularity on their grids, (1, C, h_g, w_g)."""
    return {g: scatter_rows(rows[g], masks[g]) for g in rows}
