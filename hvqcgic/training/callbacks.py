"""What happens beside the optimiser steps of a training."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]
from torch import Tensor
from torch.utils.tensorboard.writer import SummaryWriter

from hvqcgic.training.dashboard import charts_layout, strip


class StopAtStep(lightning.Callback):
    """Ends training once the module has taken its steps: Lightning's own count also counts the discriminator's."""

    def __init__(self, steps: int) -> None:
        """Args: steps: of the stage."""
        self.steps = steps

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Asks the trainer to stop."""
        if pl_module.step_index >= self.steps:
            trainer.should_stop = True


class SaveEvery(lightning.Callback):
    """Writes the checkpoint now and then, and at the last step; always the same file, whole or not at all."""

    def __init__(self, path: Path, every: int, steps: int) -> None:
        """Args: path: of the checkpoint; every: steps between two; steps: of the stage."""
        self.path, self.every, self.steps = path, every, steps

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves where it is time."""
        if pl_module.step_index % self.every == 0 or pl_module.step_index >= self.steps:
            trainer.save_checkpoint(self.path)


class ShowPictures(lightning.Callback):
    """Puts charts and, at every validation, the first pictures into TensorBoard.

    A picture is a strip of what the stage shows of it, see `images` of its module.
    """

    def __init__(self, pictures: int = 3) -> None:
        """Args: pictures: how many are shown."""
        self.pictures = pictures

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Lays the charts out."""
        if not trainer.is_global_zero:
            return
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_custom_scalars(charts_layout())

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Writes the strip of one of the first pictures."""
        if batch_idx >= self.pictures or not trainer.is_global_zero:
            return
        image = strip(pl_module.images(batch, outputs["found"]))
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                add_jpeg(logger.experiment, f"pictures/{batch_idx}", image, pl_module.step_index)


def add_jpeg(writer: SummaryWriter, tag: str, image: Tensor, step: int) -> None:
    """As `SummaryWriter.add_image`, (3, H, W) in [0, 1], but as JPEG: a tenth of the bytes in every event file.

    Args:
        writer: of TensorBoard.
        tag: of the image.
        image: (3, H, W), in [0, 1].
        step: at which it was made.
    """
    pixels = (image.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=90)
    height, width = pixels.shape[:2]
    encoded = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=data.getvalue())
    file_writer = writer.file_writer
    assert file_writer is not None
    file_writer.add_summary(Summary(value=[Summary.Value(tag=tag, image=encoded)]), step)
