"""Reverse paths of random weights, behind models that are there."""

import shutil
from pathlib import Path
from typing import Any

import torch

from hvqcgic.model_files.frozen_model import read_model
from hvqcgic.model_files.reverse_file import freeze_reverse, write_reverse
from hvqcgic.models.config import ModelConfig
from hvqcgic.models.reverse_path import ReverseConfig, ReverseModel

SIZES: dict[str, Any] = {"widths": (8, 8, 8), "blocks": (1, 0, 1), "hint_channels": 2}


def random_reverse(model: ModelConfig, *, seed: int = 0, **config: Any) -> ReverseModel:
    """A path that changes features about as much as a trained one; `config` replaces fields of its configuration."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = ReverseModel(ReverseConfig(**SIZES | config), model).eval()
        torch.nn.init.normal_(found.network.change.weight, std=0.3)
        if found.decoder is not None:
            found.decoder.to_picture.weight.data.mul_(6)
            assert found.decoder.guides is not None
            for reader in found.decoder.guides.parameters():
                torch.nn.init.normal_(reader, std=0.1)
    found.deviation.copy_(torch.tensor([0.3, 0.2, 0.1]))
    found.spread.copy_(torch.tensor([0.4, 0.5, 0.6]))
    return found.requires_grad_(False)


def model_with_reverse(model: Path, folder: Path, **config: Any) -> Path:
    """A copy of a model's file in a folder, with a reverse path beside it; `config` as of `random_reverse`."""
    copy = folder / "x.safetensors"
    shutil.copy(model, copy)
    frozen = read_model(copy)
    reverse = random_reverse(frozen.config, **config)
    write_reverse(freeze_reverse(reverse, frozen.fingerprint, card={"steps": 0}), folder / "x-reverse.safetensors")
    return copy
