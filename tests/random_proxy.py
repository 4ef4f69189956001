"""A proxy decoder of random weights for a frozen model."""

from dataclasses import replace

import torch

from hvqcgic.model_files.frozen_model import FrozenModel, frozen_proxy
from hvqcgic.models.picture_model import PictureModel
from hvqcgic.models.proxy_decoder import ProxyConfig


def with_random_proxy(frozen: FrozenModel, *, width: int = 8, blocks: int = 1) -> FrozenModel:
    """The same model with a proxy decoder."""
    config = ProxyConfig(width, blocks)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        proxy = PictureModel(frozen.config, config).proxy
    assert proxy is not None
    return replace(frozen, proxy=frozen_proxy(proxy))
