"""Training and validation pictures of a run, and their state for resuming."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import lightning
import numpy as np
import torch
from torch import Tensor

from hvqcgic.errors import ConfigError
from hvqcgic.training.crop_stream import CropStream
from hvqcgic.training.crops import Batch
from hvqcgic.training.sources import Shard, Split, embedded_split, find_shards, hold_out, of_prefixes, read_all


class PictureDataModule(lightning.LightningDataModule):
    """Crops to train on, whole pictures to validate on.

    A checkpoint holds the number of used batches, so that a resumed training continues with the next batch.

    Attributes:
        validation: whole pictures, (3, H, W) each; none before `setup`.
        names: of the training pictures; none before `setup`.
    """

    def __init__(
        self,
        data: str | None = None,
        val: str | None = None,
        crop_px: int = 128,
        batch_size: int = 8,
        seed: int = 0,
        *,
        downscale: float = 2.0,
        memory_mb: int = 4000,
        val_pictures: int = 16,
        prefixes: list[str] | None = None,
    ) -> None:
        """Check the settings; `setup` reads the pictures.

        Args:
            data: training pictures: a folder (searched recursively), a tar file or a pattern of tar files in
                WebDataset's format, `train-{000..099}.tar`, also addresses (https://...) and commands (pipe:...); none
                for the default pictures, scikit-image's colour photographs and dead leaves.
            val: validation pictures, likewise; none to hold out some of `data`.
            crop_px: side of the training crops in pixels, a multiple of 16.
            batch_size: crops in a batch, over all processes of the training.
            seed: seed of the order of pictures, positions of crops, flips and scales.
            downscale: about half of the crops are downscaled by a random factor from 1 up to this.
            memory_mb: memory for decoded training pictures of each process, in MB; more pictures are streamed shard by
                shard, and each process reads its own shards.
            val_pictures: number of held-out pictures if `val` is none.
            prefixes: train only on pictures of `data` whose file name is one of these prefixes, a hyphen, and a part
                without hyphens (`cats` for `cats-0001.webp`); none for all pictures.
        Raises:
            ConfigError: a setting is out of its range, or prefixes are given without `data`.
        """
        super().__init__()
        if crop_px < 16 or crop_px % 16:
            raise ConfigError(f"crop_px is {crop_px}; use a multiple of 16")
        for name, value in (("batch_size", batch_size), ("memory_mb", memory_mb), ("val_pictures", val_pictures)):
            if value < 1:
                raise ConfigError(f"{name} is {value}; use at least 1")
        if not 1 <= downscale <= 16:
            raise ConfigError(f"downscale is {downscale}; use a factor from 1 to 16")
        if prefixes and data is None:
            raise ConfigError(f"prefixes are {', '.join(prefixes)}, and no --data is given to choose from by them")
        self.data, self.val, self.crop_px, self.batch_size, self.seed = data, val, crop_px, batch_size, seed
        self.downscale, self.memory_mb, self.val_pictures = downscale, memory_mb, val_pictures
        self.prefixes = prefixes
        self.batches_used = 0
        self.stream: CropStream | None = None
        self.validation: tuple[Tensor, ...] = ()
        self.names: tuple[str, ...] = ()

    def setup(self, stage: str | None = None) -> None:
        """Find and read the pictures, once.

        Raises:
            ConfigError: no pictures, no picture with a prefix, a broken tar file, or too few pictures for a split.
        """
        if self.validation:
            return
        split, pictures = self._split()
        if not pictures:
            raise ConfigError(f"{self.val or self.data}: no validation picture can be read; give others with --val")
        self.names = tuple(name for shard in split.train for name in shard.names)
        self._open(split.train)
        self.validation = tuple(_to_float(picture) for picture in pictures)

    def _open(self, shards: Sequence[Shard]) -> None:
        """Prepare the training pictures of some shards for cropping."""
        self.stream = CropStream(
            shards,
            self.crop_px,
            self.batch_size,
            seed=self.seed,
            downscale=self.downscale,
            memory_mb=self.memory_mb,
        )

    @property
    def training_count(self) -> int:
        """Number of training pictures; 0 before `setup`."""
        return self.stream.pictures if self.stream is not None else 0

    def train_dataloader(self) -> TrainBatches:
        """Endless batches (B, 3, crop_px, crop_px), float32 in [0, 1], made on the trainer's device."""
        self.setup()
        assert self.stream is not None
        if self.trainer is not None:
            self.stream.to(self.trainer.strategy.root_device)
        return TrainBatches(self, self.stream.batch)

    def val_dataloader(self) -> ValPictures:
        """Whole pictures, one at a time: (3, H, W), float32 in [0, 1]."""
        self.setup()
        return ValPictures(self.validation)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Count the used training batches; a loader may prefetch more batches than are used."""
        if self.trainer is not None and self.trainer.training:
            self.batches_used += 1
        return batch

    def state_dict(self) -> dict[str, int]:
        """Return the state for a checkpoint."""
        return {"batches_used": self.batches_used}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Continue after the batches of a checkpoint."""
        self.batches_used = state_dict["batches_used"]

    def _split(self) -> tuple[Split, list[np.ndarray]]:
        """Return the split, and its validation pictures."""
        if self.data is None:
            split = embedded_split(self.seed)
        else:
            train = find_shards(self.data)
            if self.prefixes:
                train = of_prefixes(train, self.prefixes, source=self.data)
            if self.val is None:
                return hold_out(train, self.val_pictures)
            split = Split(train, ())
        if self.val is not None:
            split = Split(split.train, find_shards(self.val))
        return split, read_all(split.val)


class TrainBatches:
    """Batches from the data module's count of used batches on."""

    def __init__(self, module: PictureDataModule, batch: Callable[[int], Batch]) -> None:
        """Args: module: holds the count; batch: returns the batch with a number."""
        self._module, self._batch = module, batch

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches without end."""
        number = self._module.batches_used
        while True:
            yield self._batch(number)
            number += 1


class ValPictures:
    """Validation pictures as a loader with a length."""

    def __init__(self, pictures: Sequence[Tensor]) -> None:
        """Hold pictures, each (3, H, W)."""
        self._pictures = tuple(pictures)

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._pictures)

    def __iter__(self) -> Iterator[Tensor]:
        """Yield picture after picture."""
        return iter(self._pictures)


def _to_float(picture: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 to (3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(picture.copy()).permute(2, 0, 1).to(torch.float32).contiguous() / 255
