"""This project's own codec, any model in any coding mode."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hvqcgic import __version__
from hvqcgic.bitstream.container import MODES
from hvqcgic.codec import Codec, load
from hvqcgic.coder import Encoded
from hvqcgic.drawing import granularity_overlay, heat_map
from hvqcgic.errors import ConfigError
from hvqcgic.evaluation.codecs.base import Details, PictureCodec, Pixels
from hvqcgic.evaluation.operating_points import Parameter
from hvqcgic.files import STREAM_SUFFIX
from hvqcgic.model_file import bundled_models, find_model
from hvqcgic.models.granularity import Ratios, check_ratios
from hvqcgic.rate_control.ratio_path import ratios
from hvqcgic.schedule import GRANULARITIES


class HvqcgicModel(PictureCodec):
    """A model in a coding mode; points are ratios, or places on the ratio path."""

    name = "hvqcgic"
    summary = "this project: hvqcgic:MODEL[+MODE], points ratios=F,M,C or path=0..1:8"
    suffix = STREAM_SUFFIX
    parameter = Parameter("path", 0, 1, whole=False)
    default_points = "path=0..1:8"

    def __init__(self, variant: str, point: str, *, device: str = "cpu") -> None:
        """See `PictureCodec`; the variant is MODEL or MODEL+MODE, the model a bundled one or a file."""
        model, self.coding = _split(variant)
        self.ratios = _ratios_of(point, self.parameter)
        self._codec = _load(model, device)
        self._last: tuple[Encoded, dict[str, float]] | None = None

    @classmethod
    def points(cls, text: str) -> list[str]:
        """Labels of ratios (`ratios=F,M,C`) and of places on the ratio path, in any mixture."""
        labels: list[str] = []
        for part in (text or cls.default_points).split(";"):
            found = [_ratios_label(part)] if _is_ratios(part) else cls.parameter.parse(part)
            labels += found
        return list(dict.fromkeys(labels))

    @property
    def fingerprint(self) -> str:
        """Model, coding mode, ratios and the encoder's version."""
        return f"{self._codec.fingerprint.hex()} {self.coding} {self.ratios} hvqcgic {__version__}"

    def encode(self, picture: Pixels) -> bytes:
        """The bytes of a `.hvq` file."""
        encoded = self._codec.encode(picture, ratios=self.ratios)
        written = self._codec.write(encoded, coding=self.coding)
        self._last = encoded, written.parts
        return written.data

    def decode(self, data: bytes) -> Pixels:
        """The picture in a `.hvq` file."""
        return np.array(self._codec.decompress(data))

    def details(self) -> Details:
        """Parts, granularity map and bits per cell; the lightest colour is what an index of fixed length takes."""
        if self._last is None:
            return Details()
        encoded, parts = self._last
        masks = {g: torch.from_numpy(encoded.masks[g]) for g in GRANULARITIES}
        bits = {}
        for granularity, values in self._codec.cell_bits(encoded, coding=self.coding).items():
            bits[granularity] = torch.zeros(masks[granularity].shape, dtype=torch.float64)
            bits[granularity][masks[granularity]] = torch.from_numpy(values)
        top_bits = float(np.log2(self._codec.config.codebook_size))
        return Details(
            parts={name: float(part_bits) for name, part_bits in parts.items()},
            granularity_map=_image(granularity_overlay(masks), encoded),
            cell_bits=_image(heat_map(masks, bits, top_bits=top_bits), encoded),
        )


def _split(variant: str) -> tuple[str, str]:
    """Model and coding mode of MODEL[+MODE]."""
    model, plus, mode = variant.rpartition("+")
    if plus and mode in MODES:
        return model, mode
    if plus and model in bundled_models():
        raise ConfigError(f"coding mode {mode!r} of {variant!r} is unknown; use one of {', '.join(MODES)}")
    if not variant:
        raise ConfigError(f"codec hvqcgic: name a model, as in hvqcgic:tiny; known are {', '.join(bundled_models())}")
    return variant, MODES[0]


def _is_ratios(part: str) -> bool:
    return part.strip().startswith("ratios=") or part.count(",") == 2


def _ratios_label(part: str) -> str:
    try:
        shares = check_ratios(tuple(float(share) for share in part.rpartition("=")[2].split(",")))  # pyright: ignore[reportArgumentType]
    except ValueError as error:
        raise ConfigError(f"point {part!r}: {error}; give ratios=F,M,C, such as ratios=0.5,0.4,0.1") from error
    return "ratios=" + ",".join(f"{share:g}" for share in shares)


def _ratios_of(point: str, path: Parameter) -> Ratios:
    if _is_ratios(point):
        fine, medium, coarse = map(float, point.rpartition("=")[2].split(","))
        return fine, medium, coarse
    return ratios(path.value(point))


@lru_cache(maxsize=2)
def _load(model: str, device: str) -> Codec:
    return load(find_model(model), device=device)


def _image(values: Tensor, encoded: Encoded) -> Image.Image:
    """(3, H, W) in [0, 1] as an image, cut to the picture's size."""
    cut = values[:, : encoded.height, : encoded.width]
    return Image.fromarray((cut * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy())
