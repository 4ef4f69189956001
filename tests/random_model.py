"""Small models of random weights, frozen the way that trained ones are: for tests of everything but picture quality."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from hvqcgic.model_files.frozen_model import FrozenModel
from hvqcgic.models import backbone
from hvqcgic.models.bf16 import Convolution
from hvqcgic.models.config import BackboneConfig, EntropyConfig, ModelConfig
from hvqcgic.models.network import HvqModel
from hvqcgic.training.export import freeze_model
from hvqcgic.training.rate import HyperLatentPriors


@dataclass(frozen=True)
class RandomModel:
    """Float networks and the priors of their hyper-latents."""

    model: HvqModel
    priors: HyperLatentPriors

    def freeze(self, name: str | None = None) -> FrozenModel:
        """As `python -m hvqcgic.export` does it."""
        return freeze_model(self.model, self.priors, card={"data": "none", "steps": 0}, name=name)


def small_config(*, decoder_prior: bool = False, **entropy: Any) -> ModelConfig:
    """Some thousand weights and 64 codes; `entropy` replaces fields of the entropy configuration."""
    sizes: dict[str, Any] = {
        # Bounds of several tests are about what random networks of this form predict.
        "form": "learned",
        "embedding_width": 6,
        "z_channels": (2, 2, 2),
        "hyper_width": 8,
        "synthesis_channels": 4,
        "context_width": 8,
    }
    networks = BackboneConfig(
        encoder_widths=(8, 8, 8, 8),
        encoder_blocks=(0, 1, 0, 0),
        decoder_widths=(8, 8, 8, 8),
        decoder_blocks=(0, 1, 0, 0),
        decoder_prior=decoder_prior,
    )
    return ModelConfig("random", codebook_size=64, backbone=networks, entropy=EntropyConfig(**sizes | entropy))


def plain_convolution(
    inputs: int,
    outputs: int,
    side: int,
    *,
    stride: int = 1,
    gain: float = 0.0,
    kind: type[nn.Conv2d] = Convolution,
) -> nn.Conv2d:
    """In place of `level_convolution`; the gain is PyTorch's own."""
    return kind(inputs, outputs, side, stride=stride, padding=1)


def random_model(config: ModelConfig | None = None, *, seed: int = 0) -> RandomModel:
    """A model whose codes, usage counts and predictions are as uneven as those of a trained one."""
    config = config or small_config()
    generator = torch.Generator().manual_seed(seed)
    # Weights start from the global generator, which is given back as it was; the encoder's as PyTorch starts them, with
    # features of some hundredths: random context networks make noise of larger ones.
    with torch.random.fork_rng(devices=[]), patch.object(backbone, "level_convolution", plain_convolution):
        torch.manual_seed(seed)
        model = HvqModel(config).eval()
        priors = HyperLatentPriors(model.z_channels).eval()
    with torch.no_grad():
        picture = torch.from_numpy(random_picture(128, 128, seed=seed)).permute(2, 0, 1)[None].float() / 255
        y = torch.cat([rows.permute(0, 2, 3, 1).flatten(0, 2) for rows in model.encoder(picture).values()])
        model.quantiser.start(y, generator)
        # Features of random networks are small; in the same numbers of codes and cells, what follows is alike.
        model.quantiser.usage.copy_((torch.rand(3, config.codebook_size, generator=generator) ** 3 * 1000).floor())
        model.prior.start(model.quantiser.usage, model.quantiser.codebook)
        for analysis in model.analysis.values():
            [layer for layer in analysis.modules() if isinstance(layer, nn.Conv2d)][-1].weight.mul_(60)
        for step in model.passes:
            model.context_of(step)[-1].convolution.weight.mul_(4)  # pyright: ignore
        model.decoder.get_parameter("to_picture.weight").mul_(6)
    return RandomModel(model, priors)


def random_picture(width: int, height: int, *, seed: int) -> NDArray[np.uint8]:
    """Smooth areas, edges and noise side by side, (height, width, 3)."""
    generator = torch.Generator().manual_seed(seed)
    cells = torch.rand(1, 3, -(-height // 12) + 1, -(-width // 12) + 1, generator=generator)
    blurred = F.interpolate(cells, (height, width), mode="bilinear", align_corners=False)
    sharp = F.interpolate(cells, (height, width), mode="nearest")
    noise = torch.rand(1, 3, height, width, generator=generator)
    kind = F.interpolate(torch.rand(1, 1, 3, 3, generator=generator), (height, width), mode="nearest")
    picture = torch.where(kind < 0.4, blurred, torch.where(kind < 0.7, sharp, 0.5 * sharp + 0.5 * noise))
    return (picture[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()


def save_random_pictures(folder: Path, count: int) -> Path:
    """Pictures of 72 x 64 px, `0.png` and so on, in a folder that is there; returns it."""
    for seed in range(count):
        Image.fromarray(random_picture(72, 64, seed=seed)).save(folder / f"{seed}.png")
    return folder
