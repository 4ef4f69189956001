"""A very small training, for all tests that need one: settings, networks, pictures, and a record of the losses."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hvqcgic.models.granularity import GranularityMap
from hvqcgic.models.picture_model import Codes
from hvqcgic.training.config import Stage, TrainingConfig
from hvqcgic.training.crops import Batch
from hvqcgic.training.data import PictureDataModule
from hvqcgic.training.module import HvqModule
from tests.random_model import random_model, small_config


def settings(**changes: Any) -> TrainingConfig:
    """Six steps, of which the second starts the codebook."""
    quick: dict[str, Any] = {
        "steps": 6,
        "codebook_start": 2,
        "warmup_steps": 2,
        "lmbda_warmup": 2,
        "validate_every": 100,
        "validation_pictures": 1,
        "file_pictures": 0,
    }
    return TrainingConfig(**quick | changes)


def squared(x: Tensor, y: Tensor) -> Tensor:
    """Stands in for LPIPS."""
    return (x - y).square().mean((1, 2, 3))


class Recorder(HvqModule):
    """Keeps the loss of every step."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.losses: list[float] = []

    def loss(self, batch: Tensor, masks: GranularityMap, codes: Codes, features: dict[str, Tensor]) -> Tensor:
        """As it is, and noted."""
        found = super().loss(batch, masks, codes, features)
        self.losses.append(found.item())
        return found


def module(stage: Stage, options: TrainingConfig, **entropy: Any) -> Recorder:
    """With the networks of a random model, whose codebook has started."""
    made = Recorder(small_config(**entropy), options, stage, squared)
    source = random_model(small_config(**entropy))
    made.model.load_state_dict(source.model.state_dict())
    made.priors.load_state_dict(source.priors.state_dict())
    return made


class Pictures(PictureDataModule):
    """Presses Ctrl-C while a given batch is on its way."""

    def __init__(self, folder: Path, *, interrupt_at: int = -1, **changes: Any) -> None:
        quick: dict[str, Any] = {"crop_px": 64, "batch_size": 2, "val_pictures": 1}
        super().__init__(str(folder), **quick | changes)
        self.interrupt_at = interrupt_at

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """As it is, after the interruption."""
        if self.batches_used == self.interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
        return super().on_after_batch_transfer(batch, dataloader_idx)


def write_checkpoint(path: Path, source: HvqModule, stage: Stage) -> None:
    """A checkpoint without an average, as they were before there was one."""
    parameters = {"stage": stage, "model": source.model.config.to_dict(), "training": {}}
    torch.save({"state_dict": source.state_dict(), "hyper_parameters": parameters, "step_index": 1}, path)


def saved(path: Path) -> dict[str, Any]:
    """The content of a checkpoint."""
    return torch.load(path, weights_only=True)
