"""Training pictures: batch number n of a training is a pure function of the seed and n.

Shards (see `sources.py`) are decoded in windows that fit the memory limit. Where everything fits, the one window is
read once; else windows follow one another in a shuffled order of the shards, the next one read while this one is used.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from hvqcgic.errors import ConfigError
from hvqcgic.training.crops import PicturePool
from hvqcgic.training.ranks import own_share
from hvqcgic.training.sources import Shard

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
        """This process's share of batch `number`, counted from 0: (B, 3, crop_px, crop_px), float32 in [0, 1].

        Determinism: a pure function of the seed and the number for given pictures; same-device.
        """
        window, within = divmod(number, self._window_batches) if self.streamed else (0, number)
        self._enter(window)
        chosen = self._chosen(window, within)
        generator = np.random.default_rng([self._seed, 1, number])
        share = own_share(self._batch_size)
        return self._pool.crops(chosen, self._crop_px, self._downscale, generator, share=share)

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
