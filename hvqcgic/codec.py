"""Codec: picture -> bytes -> picture, what users of the package call."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from hvqcgic.bitstream.container import MAX_PIXELS
from hvqcgic.coder import Encoded, PictureCoder, check_coding
from hvqcgic.errors import ConfigError
from hvqcgic.frozen_model import read_model
from hvqcgic.models.granularity import Ratios
from hvqcgic.picture import PictureSource


class Codec(PictureCoder):
    """One model, ready to compress and decompress. Made by `hvqcgic.load`."""

    def compress(
        self, image: PictureSource, *, ratios: Ratios | None = None, eta: float = 0.0, coding: str = "adaptive"
    ) -> bytes:
        """A picture as the bytes of a `.hvq` file.

        Args:
            image: a path, a Pillow image, or an array (H, W, 3) of uint8 in sRGB.
            ratios: (fine, medium, coarse) shares of the area, sum 1; the model's default where None.
            eta: see `encode`.
            coding: one of `hvqcgic.bitstream.container.MODES`.

        Raises:
            PictureError: the picture cannot be read.
            ValueError: the ratios are not shares that sum to 1, or the coding mode is unknown.
        """
        check_coding(coding)
        return self.write(self.encode(image, ratios=ratios, eta=eta, coding=coding), coding=coding).data

    def encode(
        self, image: PictureSource, *, ratios: Ratios | None = None, eta: float = 0.0, coding: str = "adaptive"
    ) -> Encoded:
        """The integers that stand for a picture.

        Args:
            image: as of `compress`, as are the ratios.
            ratios: see image.
            eta: what a bit is worth when an index is chosen, see `PictureCoder.try_out`; 0 for the nearest codes.
            coding: mode whose bits count in that.
        """
        picture = self.analyse(image)
        masks = self.order_cells(picture, self.config.default_ratios if ratios is None else ratios)
        return self.try_out(picture, masks, eta=eta, coding=coding).encoded if eta else self.quantise(picture, masks)

    def decompress(self, data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
        """The picture in the bytes of a `.hvq` file; arguments and errors as of `read`."""
        return self.reconstruct(self.read(data, max_pixels=max_pixels))


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
