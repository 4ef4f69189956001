"""Codec: picture -> bytes -> picture, the one place where all steps meet.

picture -> granularity map -> features -> indices, hyper-latents -> range-coded sections -> container
container -> sections -> indices -> codes -> picture
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from hvqcgic.bitstream.container import MAX_PIXELS, MODES, Header, pack, unpack
from hvqcgic.entropy import Masks, cell_bits
from hvqcgic.errors import ConfigError, ModelMismatch
from hvqcgic.frozen_model import FrozenModel, read_model
from hvqcgic.models.config import ModelConfig
from hvqcgic.models.decoder import assemble
from hvqcgic.models.granularity import GranularityMap, Ratios, check_ratios, pad_to_cells
from hvqcgic.models.hyperprior import sent_positions
from hvqcgic.models.picture_model import scatter_rows
from hvqcgic.models.selection import select_cells
from hvqcgic.picture import PictureSource, read_picture
from hvqcgic.schedule import GRANULARITIES


@dataclass(frozen=True)
class Encoded:
    """A picture as the integers that a file holds; every coding mode writes the same ones.

    Attributes:
        width: of the picture in pixels, as is the height.
        height: see width.
        masks: the granularity map.
        indices: per granularity, int64, (N_g,), cells in raster order.
        z: hyper-latents of the granularities that have them, int64, (C_z, ceil(h_g/4), ceil(w_g/4)); None in what was
            read from a file, which needs them no more.
        parameters: the index prior's parameters, (P, N_g) each, where the decoder reads them; else None.
    """

    width: int
    height: int
    masks: Masks
    indices: dict[str, NDArray[np.int64]]
    z: dict[str, NDArray[np.int64]] | None
    parameters: dict[str, NDArray[np.float32]] | None = None


@dataclass(frozen=True)
class Written:
    """A whole file in memory.

    Attributes:
        data: the bytes of a `.hvq` file.
        estimated_bits: cross-entropy of what the sections hold, under the tables they were coded with.
        parts: bits of "map", "z", "coarse", "medium", "fine" and "container"; the last holds headers, checksum and
            padding, so that all sum to the file's size.
    """

    data: bytes
    estimated_bits: float
    parts: dict[str, float]


class Codec:
    """One model, ready to compress and decompress. Made by `hvqcgic.load`."""

    def __init__(self, model: FrozenModel, device: torch.device) -> None:
        """Args: model: frozen; device: where the picture networks run (what shapes the stream runs on the CPU)."""
        self.config: ModelConfig = model.config
        self.name, self.card, self.fingerprint = model.config.name, model.card, model.fingerprint
        self.device = device
        self._networks = model.picture_model(device)
        self._entropy = model.entropy_model()

    def compress(self, image: PictureSource, *, ratios: Ratios | None = None, coding: str = "adaptive") -> bytes:
        """A picture as the bytes of a `.hvq` file.

        Args:
            image: a path, a Pillow image, or an array (H, W, 3) of uint8 in sRGB.
            ratios: (fine, medium, coarse) shares of the area, sum 1; the model's default where None.
            coding: one of `hvqcgic.bitstream.container.MODES`.

        Raises:
            PictureError: the picture cannot be read.
            ValueError: the ratios are not shares that sum to 1, or the coding mode is unknown.
        """
        _check_coding(coding)
        return self.write(self.encode(image, ratios=ratios), coding=coding).data

    @torch.inference_mode()
    def encode(self, image: PictureSource, *, ratios: Ratios | None = None) -> Encoded:
        """The integers that stand for a picture; arguments and errors as of `compress`."""
        shares = check_ratios(self.config.default_ratios if ratios is None else ratios)
        pixels = read_picture(image)
        picture = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
        padded = pad_to_cells(picture)
        masks = select_cells(self.config, padded, [shares])
        on_device = _map_to(masks, self.device)
        features = self._networks.encoder(padded.to(self.device))
        codes = self._networks.quantise(features, on_device)
        z = {
            g: (values.round() * sent_positions(on_device[g]))[0].long().cpu().numpy()
            for g, values in self._networks.hyper_latents(features, on_device).items()
        }
        parts = codes.quantised.indices.cpu().split(codes.counts)
        indices = {g: part.numpy() for g, part in zip(GRANULARITIES, parts, strict=True)}
        found = Masks(*(masks[g][0, 0].numpy() for g in GRANULARITIES))
        parameters = self._entropy.parameters(found, indices, z) if self.config.backbone.decoder_prior else None
        return Encoded(pixels.shape[1], pixels.shape[0], found, indices, z, parameters)

    def write(self, encoded: Encoded, *, coding: str = "adaptive") -> Written:
        """The file of an encoded picture in one coding mode.

        Raises:
            ValueError: the coding mode is unknown, or the picture was read from a file.
        """
        _check_coding(coding)
        if encoded.z is None:
            raise ValueError("a picture read from a file has no hyper-latents left; its bytes are the file's")
        masks = encoded.masks
        counts = masks.count("coarse"), masks.count("medium")
        header = Header(self.fingerprint, coding, encoded.width, encoded.height, *counts)
        found = self._entropy.encode(masks, encoded.indices, encoded.z, mode=coding)
        data = pack(header, found.sections)
        container = 8 * len(data) - sum(found.parts.values())
        return Written(data, found.estimated_bits, {**found.parts, "container": container})

    def cell_bits(self, encoded: Encoded, *, coding: str = "adaptive") -> dict[str, NDArray[np.float64]]:
        """Bits that each index takes in a coding mode, (N_g,) per granularity; arguments and errors as of `write`."""
        _check_coding(coding)
        if encoded.z is None:
            raise ValueError("a picture read from a file has no hyper-latents left; take what `encode` gave")
        return cell_bits(self._entropy, encoded.masks, encoded.indices, encoded.z, mode=coding)

    def decompress(self, data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
        """The picture in the bytes of a `.hvq` file.

        Args:
            data: the whole file.
            max_pixels: largest picture to accept, width times height; time and memory grow with what a header declares.

        Raises:
            BitstreamError: the bytes are no whole stream, or that of another model (`ModelMismatch`).
        """
        return self.reconstruct(self.read(data, max_pixels=max_pixels))

    def read(self, data: bytes, *, max_pixels: int = MAX_PIXELS) -> Encoded:
        """The integers that a file holds; arguments and errors as of `decompress`."""
        container = unpack(data, max_pixels=max_pixels)
        header = container.header
        if header.fingerprint != self.fingerprint:
            raise ModelMismatch(
                f"the stream was made with a model of fingerprint {header.fingerprint.hex()}, "
                f"{self.name} has {self.fingerprint.hex()}; name the file of the model that made it"
            )
        grid = header.grid_height, header.grid_width, header.n_coarse, header.n_medium
        found = self._entropy.decode(*grid, container.sections, mode=header.mode)
        return Encoded(header.width, header.height, found.masks, found.indices, None, found.parameters)

    @torch.inference_mode()
    def reconstruct(self, encoded: Encoded) -> Image.Image:
        """The picture that an encoded one decodes to."""
        device = self.device
        masks = GranularityMap(*(torch.from_numpy(encoded.masks[g])[None, None].to(device) for g in GRANULARITIES))
        codebook = self._networks.quantiser.codebook
        indices = {g: torch.from_numpy(encoded.indices[g]).to(device) for g in GRANULARITIES}
        maps = {g: scatter_rows(codebook[indices[g]], masks[g]) for g in GRANULARITIES}
        parameters = None if encoded.parameters is None else self._assembled(encoded.parameters, masks)
        decoded = self._networks.reconstruct(maps, masks, parameters)[0, :, : encoded.height, : encoded.width]
        pixels = (decoded.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        return Image.fromarray(np.ascontiguousarray(pixels))

    def _assembled(self, parameters: dict[str, NDArray[np.float32]], masks: GranularityMap) -> Tensor:
        """The index prior's parameters on the fine grid, (1, P, H/4, W/4), of (P, N_g) per granularity."""
        rows = {g: torch.from_numpy(parameters[g].T.copy()).to(self.device) for g in GRANULARITIES}
        return assemble({g: scatter_rows(rows[g], masks[g]) for g in GRANULARITIES}, masks)


def _check_coding(coding: str) -> None:
    if coding not in MODES:
        raise ConfigError(f"coding {coding!r} is unknown; use one of {', '.join(MODES)}")


def _map_to(masks: GranularityMap, device: torch.device) -> GranularityMap:
    return GranularityMap(*(masks[g].to(device) for g in GRANULARITIES))


def load(name_or_path: str | Path = "tiny", device: str = "auto") -> Codec:
    """A codec of a bundled model, by its name, or of a model file, by its path.

    Args:
        name_or_path: such as "tiny" or "runs/mine.safetensors".
        device: "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1", "mps" ...

    Raises:
        ModelError: there is no such model, or its file is damaged.
        ConfigError: there is no such device.
    """
    return Codec(read_model(name_or_path), _find_device(device))


def _find_device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device {name!r} is unknown; use auto, cpu, cuda, cuda:1, mps ...") from error
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0]
        raise ConfigError(f"device {name!r} cannot be used ({why}); use cpu or auto") from error
    return device
