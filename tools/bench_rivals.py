"""Other codecs for `bench_codec`: common formats, CompressAI's networks, and Control-GIC's network at full width.

Networks have random weights. The weights affect the time only through the number of coded symbols, which is small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hvqcgic.codec import Codec
from hvqcgic.evaluation import Avif, Jpeg, PillowCodec, WebP
from hvqcgic.models import ControlGicConfig, HvqModel, ModelConfig
from hvqcgic.perceptual import import_torchvision
from hvqcgic.training import HyperLatentPriors, freeze_model

Pixels = NDArray[np.uint8]

EVERYDAY: dict[str, tuple[type[PillowCodec], str]] = {"jpeg": (Jpeg, "30"), "webp": (WebP, "30"), "avif": (Avif, "40")}
"""Codecs at the effort of `hvqcgic.evaluation`, and a common quality."""
NETWORKS = ("mbt2018-mean", "cheng2020-anchor")
QUALITY = 3
"""Quality of CompressAI's networks, which determines their widths."""
RIVALS = (*EVERYDAY, *NETWORKS, "control-gic")
PUBLISHED_CODES, PUBLISHED_WIDTH = 1024, 128


@dataclass(frozen=True)
class Rival:
    """A codec ready to run.

    Attributes:
        name: one of RIVALS.
        encode: function from a picture, (H, W, 3), to the input of `decode`.
        decode: function to some form of the picture.
        pixels: the picture.
        slow: whether it takes many seconds.
    """

    name: str
    encode: Callable[[Pixels], Any]
    decode: Callable[[Any], Any]
    pixels: Pixels
    slow: bool


def make_rival(name: str, pixels: Pixels, part: tuple[int, int]) -> Rival:
    """Create a codec with its picture.

    Args:
        name: one of RIVALS.
        pixels: the picture, (H, W, 3).
        part: height and width of the middle part for Control-GIC's network. Its attention grows with the square of the
            pixels, so its time a pixel on a part is shorter than on the whole picture.
    """
    if name in EVERYDAY:
        kind, quality = EVERYDAY[name]
        codec = kind("", quality)
        return Rival(name, codec.encode, codec.decode, pixels, slow=False)
    if name in NETWORKS:
        return _network(name, pixels)
    return control_gic(pixels, part)


def control_gic(pixels: Pixels, part: tuple[int, int], *, width: int = PUBLISHED_WIDTH) -> Rival:
    """Control-GIC's network through this project's codec; `width` channels at full resolution, see `make_rival`."""
    codec = random_codec(PUBLISHED_CODES, width)
    top, left = (max(0, (side - wanted) // 2) for side, wanted in zip(pixels.shape, part, strict=False))
    middle = np.ascontiguousarray(pixels[top : top + part[0], left : left + part[1]])
    return Rival("control-gic", codec.compress, codec.decompress, middle, slow=True)


def random_codec(codes: int, width: int) -> Codec:
    """The published network with random weights, codes like its features, and the default entropy model."""
    torch.manual_seed(0)
    config = ModelConfig("random", codebook_size=codes, control_gic=ControlGicConfig(width))
    model = HvqModel(config).eval().requires_grad_(False)
    with torch.inference_mode():
        y = torch.cat(
            [rows.permute(0, 2, 3, 1).flatten(0, 2) for rows in model.encoder(torch.rand(1, 3, 64, 64)).values()]
        )
    model.quantiser.codebook.copy_(torch.randn(codes, 4) * y.std(0) + y.mean(0))
    model.quantiser.usage.copy_(torch.rand(3, codes).pow(3).mul(1000).floor())
    model.quantiser.initialised.fill_(True)
    model.prior.start(model.quantiser.usage, model.quantiser.codebook)
    return Codec(freeze_model(model, HyperLatentPriors(model.z_channels)), torch.device("cpu"))


def _network(name: str, pixels: Pixels) -> Rival:
    """A network of CompressAI, for pictures with sides that are multiples of 64."""
    import_torchvision()
    from compressai.zoo.image import cfgs, model_architectures

    torch.manual_seed(0)
    network: Any = model_architectures[name](*cfgs[name][QUALITY]).eval()
    network.update()

    @torch.inference_mode()
    def encode(picture: Pixels) -> Any:
        return network.compress(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255)

    @torch.inference_mode()
    def decode(file: Any) -> Any:
        return network.decompress(file["strings"], file["shape"])["x_hat"]

    height, width = (max(64, side // 64 * 64) for side in pixels.shape[:2])
    padded = np.pad(pixels, ((0, max(0, height - len(pixels))), (0, max(0, width - pixels.shape[1])), (0, 0)), "edge")
    return Rival(name, encode, decode, np.ascontiguousarray(padded[:height, :width]), slow=name == "cheng2020-anchor")
