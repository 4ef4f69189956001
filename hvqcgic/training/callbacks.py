"""Lightning callbacks of a training: end, checkpoints, parameters and pictures in TensorBoard."""

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

from hvqcgic.training.charts import RESULTS, add_hparams, training_params
from hvqcgic.training.dashboard import strip


class StopAtStep(lightning.Callback):
    """Ends training after the module's number of steps, as Lightning's count includes the discriminator's steps."""

    def __init__(self, steps: int) -> None:
        """Args: steps: of the stage."""
        self.steps = steps

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop the trainer at the last step."""
        if pl_module.step_index >= self.steps:
            trainer.should_stop = True


class SaveEvery(lightning.Callback):
    """Writes the checkpoint at regular steps and at the last step, always to the same file, whole or not at all."""

    def __init__(self, path: Path, every: int, steps: int) -> None:
        """Args: path: of the checkpoint; every: steps between two checkpoints; steps: of the stage."""
        self.path, self.every, self.steps = path, every, steps

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save the checkpoint at its steps."""
        if pl_module.step_index % self.every == 0 or pl_module.step_index >= self.steps:
            trainer.save_checkpoint(self.path)


class ShowParameters(lightning.Callback):
    """Writes the row of a training in TensorBoard's table HParams."""

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Write the parameters; the results are the last points of charts."""
        if not trainer.is_global_zero:
            return
        params = training_params(pl_module.options, pl_module.stage, pl_module.model.config.default_ratios)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                folder = Path(logger.log_dir)
                # The table cuts long names, so what differs comes first; the path makes the name that of one row only.
                name = f"{folder.parent.name}/{folder.name} ({folder})"
                add_hparams(logger.experiment, name, params, RESULTS)


class ShowPictures(lightning.Callback):
    """Writes the first pictures to TensorBoard at every validation.

    A picture is a strip of the images of the stage, see `images` of its module.
    """

    def __init__(self, pictures: int = 3) -> None:
        """Args: pictures: number of pictures."""
        self.pictures = pictures

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the strip of one of the first pictures."""
        if batch_idx >= self.pictures or not trainer.is_global_zero:
            return
        image = strip(pl_module.images(batch, outputs["found"]))
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                add_jpeg(logger.experiment, f"pictures/{batch_idx}", image, pl_module.step_index)


def add_jpeg(writer: SummaryWriter, tag: str, image: Tensor, step: int) -> None:
    """Write an image as JPEG, which takes a tenth of the bytes of `SummaryWriter.add_image`.

    Args:
        writer: of TensorBoard.
        tag: of the image.
        image: (3, H, W), in [0, 1].
        step: training step of the image.
    """
    pixels = (image.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=90)
    height, width = pixels.shape[:2]
    encoded = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=data.getvalue())
    file_writer = writer.file_writer
    assert file_writer is not None
    file_writer.add_summary(Summary(value=[Summary.Value(tag=tag, image=encoded)]), step)
