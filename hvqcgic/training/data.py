"""Training and validation pictures: batch number n of a training is a pure function of the seed and n.

Shards (see `sources.py`) are decoded in windows that fit the memory limit. Where everything fits, the one window is
read once; else windows follow one another in a shuffled order of the shards, the next one read while this one is used.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import lightning
import numpy as np
import torch
from torch import Tensor

from hvqcgic.errors import ConfigError
from hvqcgic.training.crops import Batch, PicturePool
from hvqcgic.training.sources import Shard, Split, embedded_split, find_shards, hold_out

# A streamed picture is worth its decoding only if several crops are cut from it.
CROPS_A_PICTURE_READ = 8
_SAMPLED_PICTURES = 32


def in_random_order(samples: np.ndarray, count: int, seed: Sequence[int]) -> np.ndarray:
    """What each sample is of: every one of `count` things once, in random order, before any comes again.

    Args:
        samples: their numbers, counted from 0, (N,), int64.
        count: of the things, at least 1.
        seed: numbers that tell what the order is for.
    Returns:
        (N,), int64 in [0, count).
    """
    rounds, places = np.divmod(samples, count)
    orders = {turn: np.random.default_rng([*seed, turn]).permutation(count) for turn in np.unique(rounds).tolist()}
    return np.array([orders[turn][place] for turn, place in zip(rounds.tolist(), places, strict=True)], np.int64)


class CropStream:
    """Endless training batches."""

    def __init__(
        self, shards: Sequence[Shard], crop_px: int, batch_size: int, *, seed: int, downscale: float, memory_mb: int
    ) -> None:
        """Read the first window.

        Args:
            shards: where the pictures are; none empty.
            crop_px: side of the crops in pixels.
            batch_size: crops a batch.
            seed: seeds order, places, flips and scales.
            downscale: largest factor of the random downscale, at least 1.
            memory_mb: memory for decoded pictures, in MB of 10^6 bytes.
        Raises:
            ConfigError: no picture can be read, or a shard alone exceeds the memory limit.
        """
        self._shards, self._crop_px, self._batch_size = tuple(shards), crop_px, batch_size
        self._seed, self._downscale = seed, downscale
        self._device = torch.device("cpu")
        self._reader = ThreadPoolExecutor(1, "hvqcgic-pictures")
        self._ahead: tuple[int, Future[list[np.ndarray]]] | None = None
        self._plan(memory_mb)
        self._at = 0
        self._pool = PicturePool.of(self._read(0))

    def to(self, device: torch.device | str) -> CropStream:
        """Keep the pictures, and make crops, on `device`."""
        self._device = torch.device(device)
        self._pool = PicturePool(self._pool.pixels.to(device), self._pool.starts.to(device), self._pool.sizes)
        return self

    @property
    def streamed(self) -> bool:
        """Whether the pictures exceed the memory limit, so that windows of shards follow one another."""
        return self._window_shards < len(self._shards)

    @property
    def pictures(self) -> int:
        """Pictures in all shards, readable or not."""
        return sum(len(shard.names) for shard in self._shards)

    def batch(self, number: int) -> Tensor:
        """Batch `number`, counted from 0: (B, 3, crop_px, crop_px), float32 in [0, 1].

        Determinism: a pure function of the seed and the number for given pictures; same-device.
        """
        window, within = divmod(number, self._window_batches) if self.streamed else (0, number)
        self._enter(window)
        chosen = self._chosen(window, within)
        generator = np.random.default_rng([self._seed, 1, number])
        return self._pool.crops(chosen, self._crop_px, self._downscale, generator)

    def _chosen(self, window: int, within: int) -> np.ndarray:
        """Pictures of a batch of a window."""
        samples = within * self._batch_size + np.arange(self._batch_size)
        return in_random_order(samples, len(self._pool), (self._seed, 2, window))

    def _plan(self, memory_mb: int) -> None:
        """Decide how many shards make a window, from the decoded size of some pictures."""
        with warnings.catch_warnings():
            # What cannot be read is reported when the whole shard is read.
            warnings.simplefilter("ignore")
            sample = self._shards[0].keep(self._shards[0].names[:_SAMPLED_PICTURES]).read()
        mean_mb = sum(picture.nbytes for picture in sample) / 1e6 / max(1, len(sample))
        shards = len(self._shards)
        shard_mb = mean_mb * self.pictures / shards
        if shard_mb > memory_mb:
            raise ConfigError(
                f"a shard of {self.pictures // shards} pictures takes about {shard_mb:.0f} MB decoded, over the limit "
                f"of {memory_mb} MB; raise memory_mb or cut the pictures into smaller shards"
            )
        # Two windows are held at a time: the one in use and the one being read.
        fitting = shards if shard_mb * shards <= memory_mb else max(1, int(memory_mb / 2 / shard_mb))
        self._window_shards = min(fitting, shards)
        crops = CROPS_A_PICTURE_READ * self.pictures * self._window_shards / shards
        self._window_batches = max(1, int(crops / self._batch_size))

    def _enter(self, window: int) -> None:
        """Make `window` the current one and begin to read the next."""
        if not self.streamed:
            return
        if window != self._at:
            ready = self._ahead[1].result() if self._ahead and self._ahead[0] == window else self._read(window)
            self._pool, self._at = PicturePool.of(ready, self._device), window
        if self._ahead is None or self._ahead[0] != window + 1:
            self._ahead = (window + 1, self._reader.submit(self._read, window + 1))

    def _read(self, window: int) -> list[np.ndarray]:
        """Decode the shards of a window."""
        if not self.streamed:
            return self._decode(self._shards)
        places = window * self._window_shards + np.arange(self._window_shards)
        return self._decode([self._shards[i] for i in in_random_order(places, len(self._shards), (self._seed, 3))])

    @staticmethod
    def _decode(shards: Sequence[Shard]) -> list[np.ndarray]:
        pictures = [picture for shard in shards for picture in shard.read()]
        if not pictures:
            raise ConfigError(f"{shards[0]}: none of its pictures can be read; give other pictures with --data")
        return pictures


class PictureDataModule(lightning.LightningDataModule):
    """Crops to train on, whole pictures to validate on.

    A checkpoint holds the number of batches used, so that a resumed training sees the batches that would have come.
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
    ) -> None:
        """Check the settings; pictures are read by `setup`.

        Args:
            data: training pictures: a folder (searched in depth), a tar file or a pattern of tar files in WebDataset's
                manner; none for the embedded default, scikit-image's colour photographs and dead leaves.
            val: validation pictures, likewise; none to hold some of `data` out.
            crop_px: side of the training crops in pixels, a multiple of 16.
            batch_size: crops a batch.
            seed: seeds the order of pictures, places of crops, flips and scales.
            downscale: about half of the crops are downscaled by a random factor from 1 up to this.
            memory_mb: memory for decoded training pictures, in MB; beyond it they are streamed shard by shard.
            val_pictures: pictures held out where `val` is none.
        Raises:
            ConfigError: a setting out of its range.
        """
        super().__init__()
        if crop_px < 16 or crop_px % 16:
            raise ConfigError(f"crop_px is {crop_px}; use a multiple of 16")
        for name, value in (("batch_size", batch_size), ("memory_mb", memory_mb), ("val_pictures", val_pictures)):
            if value < 1:
                raise ConfigError(f"{name} is {value}; use at least 1")
        if not 1 <= downscale <= 16:
            raise ConfigError(f"downscale is {downscale}; use a factor from 1 to 16")
        self.data, self.val, self.crop_px, self.batch_size, self.seed = data, val, crop_px, batch_size, seed
        self.downscale, self.memory_mb, self.val_pictures = downscale, memory_mb, val_pictures
        self.batches_used = 0
        self.stream: CropStream | None = None
        self.validation: tuple[Tensor, ...] = ()

    def setup(self, stage: str | None = None) -> None:
        """Find and read the pictures, once.

        Raises:
            ConfigError: no pictures, a broken tar file, or too few pictures for a split.
        """
        if self.validation:
            return
        split = self._split()
        pictures = [picture for shard in split.val for picture in shard.read()]
        if not pictures:
            raise ConfigError(f"{self.val or self.data}: no validation picture can be read; give others with --val")
        self._open(split.train)
        self.validation = tuple(_to_float(picture) for picture in pictures)

    def _open(self, shards: Sequence[Shard]) -> None:
        """Make the training pictures of some shards ready to cut crops from."""
        self.stream = CropStream(
            shards,
            self.crop_px,
            self.batch_size,
            seed=self.seed,
            downscale=self.downscale,
            memory_mb=self.memory_mb,
        )

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
        """Count the training batches that were used: a loader may have been asked for more than that."""
        if self.trainer is not None and self.trainer.training:
            self.batches_used += 1
        return batch

    def state_dict(self) -> dict[str, int]:
        """What a checkpoint keeps."""
        return {"batches_used": self.batches_used}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on after the batches of a checkpoint."""
        self.batches_used = state_dict["batches_used"]

    def _split(self) -> Split:
        if self.data is None and self.val is None:
            return embedded_split(self.seed)
        if self.data is None:
            return Split(embedded_split(self.seed).train, find_shards(str(self.val)))
        train = find_shards(self.data)
        return hold_out(train, self.val_pictures) if self.val is None else Split(train, find_shards(self.val))


class TrainBatches:
    """Batches that go on where the data module's count stands."""

    def __init__(self, module: PictureDataModule, batch: Callable[[int], Batch]) -> None:
        """Args: module: whose count it is; batch: gives the batch of a number."""
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
