"""Codec: picture -> bytes -> picture, what users of the package call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

import torch
from PIL import Image

from hvqcgic.bitstream import MAX_PIXELS
from hvqcgic.coder import Encoded, ReverseCoder, TileSize, Written, check_coding
from hvqcgic.errors import ConfigError
from hvqcgic.model_files import read_model
from hvqcgic.pictures import PictureSource
from hvqcgic.rate_control import Choices, OperatingPoint, Progress, Reached, check_choices, reach


@dataclass(frozen=True)
class Compressed:
    """A picture in its file, and how its operating point was reached."""

    reached: Reached
    written: Written


class Codec(ReverseCoder):
    """One model, ready to compress and decompress. Made by `hvqcgic.load`."""

    def compress(self, image: PictureSource, *, coding: str = "adaptive", **choices: Unpack[Choices]) -> bytes:
        """A picture as the bytes of a `.hvq` file.

        Args:
            image: a path, a Pillow image, or an array (H, W, 3) of uint8 in sRGB.
            coding: one of `hvqcgic.bitstream.container.MODES`.
            choices: the operating point, by the fields of `OperatingPoint`: one of ratios=(0.5, 0.4, 0.1), bpp=0.25,
                max_bytes=12000 or target="lpips=0.08"; eta, refine, granularity, roi, clamp. The model's default
                ratios if nothing is chosen.

        Raises:
            PictureError: the picture cannot be read.
            ConfigError: the coding mode is unknown, or a choice is not allowed.
            Unreachable: this picture cannot have the size or quality.
        """
        return self.compress_at(image, check_choices(lambda: self.config, **choices), coding=coding).written.data

    def compress_at(
        self,
        image: PictureSource,
        point: OperatingPoint,
        *,
        coding: str = "adaptive",
        progress: Progress | None = None,
    ) -> Compressed:
        """A picture in a file in memory; errors as of `compress`; `progress` is told of the steps of refinement."""
        check_coding(coding)
        picture = self.analyse(image)
        limit = point.max_bytes
        while True:
            reached = reach(self, picture, point, coding=coding, progress=progress)
            written = self.write(reached.encoded, coding=coding)
            if limit is None or len(written.data) <= limit:
                return Compressed(reached, written)
            # The search went by an estimate: ask for less by what that was short of.
            assert point.max_bytes is not None
            point = replace(point, max_bytes=point.max_bytes - (len(written.data) - limit))

    def encode(self, image: PictureSource, *, coding: str = "adaptive", **choices: Unpack[Choices]) -> Encoded:
        """The integers that stand for a picture; arguments and errors as of `compress`."""
        check_coding(coding)
        return reach(self, self.analyse(image), check_choices(lambda: self.config, **choices), coding=coding).encoded

    def decompress(
        self,
        data: bytes,
        steps: int = 0,
        randomness: float = 1.0,
        seed: int = 0,
        *,
        max_passes: int | None = None,
        partial: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> Image.Image:
        """The picture in the bytes of a `.hvq` file.

        Args:
            data: the file.
            steps: of the reverse path, which adds realism; 0 for the decoder alone. See `reverse`, as for randomness
                and seed.
            randomness: factor of the noise between steps.
            seed: of the noise.
            max_passes: read the first passes only and complete the picture from them; see `preview`.
            partial: take a file that was cut short, likewise.
            max_pixels: largest picture to accept, width times height.

        Raises:
            BitstreamError, ConfigError, ModelError: as of `reverse` and `preview`.
        """
        if max_passes is None and not partial:
            return self.reverse(data, steps=steps, randomness=randomness, seed=seed, max_pixels=max_pixels)
        if steps:
            raise ConfigError(f"{steps} steps of the reverse path need a whole file; a preview takes 0")
        return self.preview(data, max_passes=max_passes, partial=partial, max_pixels=max_pixels).picture


def load(name_or_path: str | Path = "tiny", device: str = "auto", *, tile: TileSize = "auto") -> Codec:
    """A codec of a bundled model, by its name, or of a model file, by its path.

    Args:
        name_or_path: such as "tiny" or "runs/mine.safetensors".
        device: "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1", "mps" ...
        tile: side of the largest part of a picture that its networks run over at once, in pixels: less takes less
            memory and more time, and gives the same; "auto" cuts pictures of more than five megapixels.

    Raises:
        ModelError: there is no such model, or its file is damaged.
        ConfigError: there is no such device, or the tile is too small.
    """
    return Codec(read_model(name_or_path), _find_device(device), tile)


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
