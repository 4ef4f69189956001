"""Small models and pictures, for tools/fuzz.py."""

from __future__ import annotations

from random import Random

import numpy as np
import torch
from numpy.typing import NDArray

from hvqcgic.model_files import FrozenModel, FrozenReverse, freeze_reverse
from hvqcgic.models import (
    BackboneConfig,
    EntropyConfig,
    HvqModel,
    MeansConfig,
    ModelConfig,
    ProxyConfig,
    ProxyDecoder,
    ReverseConfig,
    ReverseModel,
)
from hvqcgic.training import freeze_model
from hvqcgic.training.rate import HyperLatentPriors


def small_config(*, hyperpriors: bool = False, decoder_prior: bool = False, means: bool = False) -> ModelConfig:
    """Some thousand weights; with hyperpriors, a pass has two parts."""
    four = (8, 8, 8, 8)
    return ModelConfig(
        name="fuzz",
        codebook_size=16,
        backbone=BackboneConfig(four, (0, 1, 0, 0), four, (0, 1, 0, 0), decoder_prior=decoder_prior),
        entropy=EntropyConfig(
            embedding_width=3,
            z_channels=(1, 0, 2) if hyperpriors else (0, 0, 0),
            z_limit=7,
            hyper_width=4,
            synthesis_channels=2,
            context_width=4,
            schedule=("coarse", "medium/0", "medium/1", "fine") if hyperpriors else ("coarse", "medium", "fine"),
        ),
        means=MeansConfig(block_px=32) if means else None,
    )


def small_reverse(model: FrozenModel) -> FrozenReverse:
    """A reverse path of random weights behind a model."""
    torch.manual_seed(0)
    reverse = ReverseModel(ReverseConfig((4, 4, 4), (1, 0, 1), hint_channels=2), model.config).eval()
    return freeze_reverse(reverse, model.fingerprint, card={"steps": 0})


def small_model(config: ModelConfig) -> FrozenModel:
    """A model of random weights, frozen."""
    torch.manual_seed(0)
    model = HvqModel(config).eval()
    if not config.backbone.decoder_prior:
        model.proxy = ProxyDecoder(ProxyConfig(width=4, blocks=1), model.decoder)
    model.quantiser.start(torch.randn(1000, config.code_width), torch.Generator().manual_seed(0))
    model.quantiser.usage.copy_((torch.rand(3, config.codebook_size) * 1000).floor())
    model.prior.start(model.quantiser.usage, model.quantiser.codebook)
    return freeze_model(model, HyperLatentPriors(model.z_channels).eval(), card={"data": "none", "steps": 0})


def small_picture(random: Random, width: int, height: int) -> NDArray[np.uint8]:
    """Noise beside a flat area, (H, W, 3)."""
    pixels = np.frombuffer(random.randbytes(3 * width * height), np.uint8).reshape(height, width, 3).copy()
    pixels[:, : width // 2] = 90
    return pixels
