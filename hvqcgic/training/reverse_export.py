"""Freezing of a reverse path: convert a checkpoint of stage reverse to a file beside its model's file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hvqcgic.errors import ConfigError, ModelError
from hvqcgic.model_files import (
    MODEL_SUFFIX,
    RECORD_KEY,
    REVERSE_ENDING,
    FrozenReverse,
    freeze_reverse,
    read_model,
    write_reverse,
)
from hvqcgic.models import ReverseConfig
from hvqcgic.training.behind_model import load_behind
from hvqcgic.training.config import TrainingConfig
from hvqcgic.training.export import HALF_PRECISION_LIMIT_DB, pictures_to_check
from hvqcgic.training.reverse_module import ReverseModule
from hvqcgic.training.thaw import thaw_networks


def export_reverse(options: argparse.Namespace, card: dict[str, Any]) -> str:
    """Write the file of a reverse path; return a line about the file.

    Args:
        options: of `python -m hvqcgic.export`.
        card: for the file.
    Raises:
        ConfigError: the checkpoint cannot be used, or its model is not beside the output.
        ModelError: the model is damaged, or the loss by float16 is too large.
        OutputError: the file cannot be written.
    """
    path = Path(options.output)
    module = load_reverse_module(Path(options.checkpoint), model_beside(path), raw=options.raw)
    card = {RECORD_KEY: module.trained_on} | card
    frozen = freeze_reverse(module.reverse, bytes.fromhex(module.hparams["fingerprint"]), card=card)
    cost = half_precision_cost_db(module, frozen, pictures_to_check(options.val))
    if not cost <= HALF_PRECISION_LIMIT_DB:
        raise ModelError(
            f"{path}: float16 weights cost {cost:.3f} dB, over the limit of {HALF_PRECISION_LIMIT_DB} dB; "
            "train on with a smaller learning rate"
        )
    write_reverse(frozen, path, force=options.force)
    size = path.stat().st_size
    return f"{path}: {size} bytes, fingerprint {frozen.fingerprint.hex()}, float16 costs {cost:.4f} dB"


def model_beside(path: Path) -> Path:
    """Path of the model beside which the file of a reverse path is written.

    Raises:
        ConfigError: the file's name does not end as required, or the model is missing.
    """
    if not path.stem.endswith(REVERSE_ENDING) or path.suffix != MODEL_SUFFIX:
        raise ConfigError(
            f"{path}: a reverse path is found by its name; write it to NAME{REVERSE_ENDING}{MODEL_SUFFIX}, beside NAME"
            f"{MODEL_SUFFIX}, the model that it belongs to"
        )
    model = path.with_name(path.stem.removesuffix(REVERSE_ENDING) + MODEL_SUFFIX)
    if not model.is_file():
        raise ConfigError(f"{model}: not there: a reverse path is written beside its model; put the model's file there")
    return model


def load_reverse_module(checkpoint: Path, model: Path, *, raw: bool = False) -> ReverseModule:
    """Load the module of a checkpoint of stage reverse, in evaluation mode.

    Args:
        checkpoint: its path.
        model: file of its frozen model.
        raw: use the weights of the last step, also if the checkpoint has a moving average.
    Raises:
        ConfigError: the checkpoint belongs to another model, or is damaged.
        ModelError: the model is damaged.
    """
    frozen = read_model(model)

    def make(network: dict[str, Any], training: TrainingConfig) -> ReverseModule:
        config = ReverseConfig.from_dict(network)
        return ReverseModule(thaw_networks(frozen), frozen.fingerprint, config, training, None)

    return load_behind(checkpoint, model, frozen.fingerprint, make, raw=raw)


def half_precision_cost_db(module: ReverseModule, frozen: FrozenReverse, pictures: Sequence[Tensor]) -> float:
    """Loss of PSNR by float16 weights, in decibels: the mean over pictures and over numbers of steps from 1.

    Args:
        module: as trained; unchanged afterwards.
        frozen: the same, frozen.
        pictures: (3, H, W) each, in [0, 1].
    """
    whole = [module.measure(picture).psnr_db[1:] for picture in pictures]
    trained = module.reverse
    module.reverse = frozen.reverse_model(module.model.config, torch.device("cpu"))
    halved = [module.measure(picture).psnr_db[1:] for picture in pictures]
    module.reverse = trained
    return float(np.mean(np.subtract(whole, halved)))
