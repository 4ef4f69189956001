"""The picture networks of a model on pictures of any size: small pictures at once, large ones tile by tile."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.bitstream import CELL_PX, GRANULARITIES, MEANS
from hvqcgic.coder.tiled_cells import Rows, TiledCells
from hvqcgic.coder.tiling import Batch, halo
from hvqcgic.coder.window_size import UNIT, Sight, TileSize, WindowSize
from hvqcgic.models import (
    GranularityMap,
    ModelConfig,
    PictureModel,
    assemble,
    every_size,
    less_means,
    local_means,
    pad_to_cells,
    parameter_count,
    spread,
)

BAND_PIXELS = 2**20
"""Pixels whose local means are computed at a time: 12 MB of floats, and as much padded."""
PX_OF_PLANES = CELL_PX["fine"]
"""Side in pixels that is counted for a position of every feature plane, so that tiles are equally large in all."""


class TiledNetworks:
    """Encoder, hyper-analyses and decoder of one model.

    Args:
        networks: in evaluation mode.
        device: device of the networks.
        tile: see `TileSize`.

    Raises:
        ConfigError: the tile is no valid size, or too small for the margin that the networks read.
    """

    def __init__(self, networks: PictureModel, device: torch.device, tile: TileSize = "auto") -> None:
        self._networks, self._device = networks, device
        self._windows = WindowSize(tile, device)
        self._windows.check(lambda: self._sights.values(), networks.config.name)

    @torch.inference_mode()
    def features(self, pixels: NDArray[np.uint8]) -> dict[str, Tensor]:
        """Features of a picture, (H, W, 3), equal to those of `PictureModel.features` for the padded picture."""
        height, width = (-(-side // UNIT) * UNIT for side in pixels.shape[:2])
        values = torch.from_numpy(pixels).permute(2, 0, 1)[None]
        found: dict[str, Tensor] = {}
        latents = self._local_means(values)
        for tile in self._tiles(height, width, "encoder"):
            window = tile.window(values, change=_as_input).to(self._device)
            if latents is not None:
                window = less_means(window, means_in(tile, self._networks.config, latents))
            part = self._networks.encoder(window)
            for g, y in part.items():
                if g not in found:
                    found[g] = y.new_empty(1, y.shape[1], height // CELL_PX[g], width // CELL_PX[g])
                tile.put(y, found[g], CELL_PX[g])
        return found if latents is None else {**found, MEANS: latents}

    def _local_means(self, pixels: Tensor) -> Tensor | None:
        """Latents of local means, (1, 3, h, w), of a picture (1, 3, H, W) uint8; None for a model without."""
        config = self._networks.config.means
        if config is None:
            return None
        rows = max(BAND_PIXELS // pixels.shape[3] // config.block_px, 1) * config.block_px
        return torch.cat([local_means(config, _as_input(part)) for part in pixels.split(rows, 2)], 2).to(self._device)

    @torch.inference_mode()
    def hyper_latents(self, features: dict[str, Tensor], masks: GranularityMap) -> dict[str, Tensor]:
        """Hyper-latents of one picture, as in `PictureModel.hyper_latents`."""
        found: dict[str, Tensor] = {}
        unit = self._networks.config.entropy.z_footprint
        for g in self._networks.z_channels:
            height, width = features[g].shape[-2:]
            found[g] = features[g].new_empty(1, self._networks.z_channels[g], -(-height // unit), -(-width // unit))
            for tile in self._tiles(height, width, g):
                part = self._networks.hyper_latent(g, tile.window(features[g]), tile.window(masks[g]))
                tile.put(part, found[g], unit)
        return found

    @torch.inference_mode()
    def reconstruct(
        self,
        indices: Rows,
        masks: Mapping[str, NDArray[np.bool_]],
        parameters: Rows | None,
        means: NDArray[np.int64] | None = None,
        *,
        height: int,
        width: int,
        by_proxy: bool = False,
    ) -> NDArray[np.uint8]:
        """Decode indices to the picture, (H, W, 3).

        Args:
            indices: per granularity, (N_g,), or codes themselves, (N_g, d) float32.
            masks: the granularity map, (h_g, w_g) each.
            parameters: the index prior's, (P, N_g) each, for a decoder that reads them.
            means: latents of local means, (3, h, w), for a model that has them.
            height: of the picture before padding.
            width: of the picture before padding.
            by_proxy: whether the model's proxy decoder, which must be there, approximates the picture.
        """
        pixels = np.empty((height, width, 3), np.uint8)
        target = torch.from_numpy(pixels).permute(2, 0, 1)[None]
        cells = TiledCells(masks, self._device)
        rows, columns = (side * UNIT for side in masks["coarse"].shape)
        latents = as_latents(means, self._device)
        for tile in self._tiles(rows, columns, "proxy" if by_proxy else "decoder"):
            window, told = cells.window(tile), None
            codes = {g: self._codes(values) for g, values in window.take(indices).items()}
            if parameters is not None:
                numbers = window.take({g: parameters[g].T for g in GRANULARITIES})
                told = assemble(window.lay_out(numbers), window.masks)
            spread_out = None if latents is None else means_in(tile, self._networks.config, latents)
            maps = window.lay_out(codes)
            if by_proxy:
                decoded = self._networks.approximate(maps, window.masks, spread_out)
            else:
                decoded = self._networks.reconstruct(maps, window.masks, told, spread_out)
            tile.put(as_pixels(decoded), target)
        return pixels

    def _codes(self, values: Tensor) -> Tensor:
        return self._networks.quantiser.codebook[values] if values.ndim == 1 else values

    def _tiles(self, height: int, width: int, network: str) -> list[Batch]:
        """Tiles of a plane on the grid of a network's input."""
        px = PX_OF_PLANES if network in GRANULARITIES else 1
        return self._windows.tiles(height, width, lambda: self._sights[network], px=px)

    @cached_property
    def _sights(self) -> dict[str, Sight]:
        """Receptive fields of encoder, decoder, proxy and hyper-analyses; measured when a picture is first cut."""
        networks, device = self._networks, self._device
        width, unit = networks.config.code_width, networks.config.entropy.z_footprint
        far = halo(lambda picture: networks.encoder(picture).values(), 3, UNIT, device)
        sights = {"encoder": Sight(far, UNIT, 1), "decoder": self._decoder_sight()}
        if networks.proxy is not None:
            sights["proxy"] = self._decoder_sight(by_proxy=True)
        for g in networks.z_channels:
            analysis = networks.analysis[g]
            far = halo(lambda y, h_a=analysis: [h_a(y, torch.ones_like(y[:, :1]))], width, unit, device)
            sights[g] = Sight(far, unit, PX_OF_PLANES)
        return sights

    def _decoder_sight(self, *, by_proxy: bool = False) -> Sight:
        networks, config = self._networks, self._networks.config
        width, reads = config.code_width, config.backbone.decoder_prior
        more = parameter_count(config.entropy, width) if reads else 0

        fine = CELL_PX["fine"]

        def run(probe: Tensor) -> list[Tensor]:
            told = probe[:, width:] if reads else None
            grey = {"means": blank_means(probe)} if config.means else {}
            if by_proxy:
                maps = {g: probe[:, :, :: CELL_PX[g] // fine, :: CELL_PX[g] // fine] for g in GRANULARITIES}
                return [networks.approximate(maps, every_size(probe), **grey)]
            return [networks.decoder(probe[:, :width], every_size(probe), told, **grey)]

        far = halo(run, width + more, UNIT // fine, self._device)
        return Sight(None if far is None else far * fine, UNIT, 1)


def _as_input(pixels: Tensor) -> Tensor:
    """Pixels (1, 3, h, w) uint8 to values in [0, 1], padded to whole cells."""
    return pad_to_cells(pixels.float() / 255)


def as_latents(means: NDArray[np.int64] | None, device: torch.device) -> Tensor | None:
    """Latents of local means of one picture, (3, h, w), as networks read them, (1, 3, h, w); None for none."""
    return None if means is None else torch.from_numpy(means)[None].float().to(device)


def means_in(batch: Batch, config: ModelConfig, latents: Tensor) -> Tensor:
    """The picture of the means in the windows of a batch, (B, 3, h, w), from the latents of a whole picture."""
    assert config.means is not None
    sides = [((t.rows.start, t.rows.stop), (t.columns.start, t.columns.stop)) for t in batch.tiles]
    return torch.cat([spread(config.means, latents, *side) for side in sides])


def blank_means(planes: Tensor) -> Tensor:
    """A picture of means, (B, 3, H, W), of zeros, for planes (B, C, H/4, W/4): receptive fields do not depend on it."""
    return F.interpolate(torch.zeros_like(planes[:, :3]), scale_factor=CELL_PX["fine"])


def as_pixels(decoded: Tensor) -> Tensor:
    """Convert a decoder's output, about [0, 1], to uint8 on the CPU."""
    return decoded.clamp(0, 1).mul_(255).round_().to(torch.uint8).cpu()
