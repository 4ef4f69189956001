"""Training pictures: batch n of a training is a pure function of the seed and n.

Shards (see `sources.py`) are decoded in windows that fit the memory limit. If all pictures fit, the only window is
read once. Otherwise windows follow one another in a shuffled order of the shards, and the next window is read while the
current one is used.

If all pictures fit, each process of a training holds all of them and cuts its share of every batch from them, so that
the batches equal those of one process. With streamed windows, each process reads its own shards of each window and cuts
its share of every batch from them, so that the batches also depend on the number of processes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from hvqcgic.errors import ConfigError
from hvqcgic.training.crops import PicturePool
from hvqcgic.training.ranks import own_share, rank_and_size
from hvqcgic.training.sources import Shard

# Decoding a streamed picture takes long, so several crops are cut from it.
CROPS_A_PICTURE_READ = 8
_SAMPLED_PICTURES = 32


def in_random_order(samples: np.ndarray, count: int, seed: Sequence[int]) -> np.ndarray:
    """Assign one of `count` things to each sample: all things once in random order, before any repeats.

    Args:
        samples: numbers of the samples, counted from 0, (N,), int64.
        count: number of things, at least 1.
        seed: numbers that identify the order.
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
            shards: shards of the pictures; none empty.
            crop_px: side of the crops in pixels.
            batch_size: crops in a batch.
            seed: seed of order, positions, flips and scales.
            downscale: largest factor of the random downscale, at least 1.
            memory_mb: memory for decoded pictures, in MB of 10^6 bytes.
        Raises:
            ConfigError: no picture can be read, or one shard exceeds the memory limit.
        """
        self._shards, self._crop_px, self._batch_size = tuple(shards), crop_px, batch_size
        self._seed, self._downscale = seed, downscale
        self._device = torch.device("cpu")
        self._reader = ThreadPoolExecutor(1, "hvqcgic-pictures")
        self._ahead: tuple[int, Future[list[np.ndarray]]] | None = None
        self._window_memory_mb = memory_mb / 2
        self._shard_mb = self._measure()
        if self._shard_mb > memory_mb:
            raise ConfigError(
                f"a shard of {self.pictures // len(shards)} pictures takes about {self._shard_mb:.0f} MB decoded, over "
                f"the limit of {memory_mb} MB; raise memory_mb or cut the pictures into smaller shards"
            )
        self.streamed = self._shard_mb * len(shards) > memory_mb
        self._at = -1
        self._pool = None if self.streamed else PicturePool.of(_decode(self._shards))

    def to(self, device: torch.device | str) -> CropStream:
        """Move the pictures, and make crops, on `device`."""
        self._device = torch.device(device)
        if pool := self._pool:
            self._pool = PicturePool(pool.pixels.to(device), pool.starts.to(device), pool.sizes)
        return self

    @property
    def pictures(self) -> int:
        """Number of pictures in all shards, readable or not."""
        return sum(len(shard.names) for shard in self._shards)

    def batch(self, number: int) -> Tensor:
        """This process's share of batch `number`, counted from 0: (B, 3, crop_px, crop_px), float32 in [0, 1].

        Determinism: a pure function of the seed and the number for given pictures, and, with streamed windows, of the
            number
        of processes; same-device.
        Raises:
            ConfigError: a shard of a streamed window cannot be read, or there are fewer shards than processes.
        """
        if self.streamed:
            return self._streamed_batch(number)
        generator = np.random.default_rng([self._seed, 1, number])
        assert self._pool is not None
        chosen, share = self._chosen(self._pool, 0, number, self._batch_size), own_share(self._batch_size)
        return self._pool.crops(chosen, self._crop_px, self._downscale, generator, share=share)

    def _streamed_batch(self, number: int) -> Tensor:
        """This process's share of a batch from its own shards of a window."""
        rank, size = rank_and_size()
        window, within = divmod(number, self._window_batches)
        pool = self._enter(window)
        generator = np.random.default_rng([self._seed, 1, number, *([rank] if size > 1 else [])])
        chosen = self._chosen(pool, window, within, self._batch_size // size)
        return pool.crops(chosen, self._crop_px, self._downscale, generator)

    def _chosen(self, pool: PicturePool, window: int, within: int, count: int) -> np.ndarray:
        """Choose the pictures of a batch from a window."""
        samples = within * count + np.arange(count)
        return in_random_order(samples, len(pool), (self._seed, 2, window))

    def _measure(self) -> float:
        """Size of a decoded shard in MB, estimated from some pictures of the first shard."""
        with warnings.catch_warnings():
            # Unreadable pictures are reported when the whole shard is read.
            warnings.simplefilter("ignore")
            sample = [picture.nbytes for picture in islice(self._shards[0].stream(), _SAMPLED_PICTURES)]
        return sum(sample) / 1e6 / max(1, len(sample)) * self.pictures / len(self._shards)

    @property
    def _window_shards(self) -> int:
        """Number of shards in a streamed window over all processes, the same for each process.

        Raises:
            ConfigError: there are fewer shards than processes.
        """
        _, size = rank_and_size()
        shards = len(self._shards)
        if shards < size:
            raise ConfigError(
                f"{shards} shards cannot be shared by {size} processes, which each read their own; cut the pictures "
                f"into at least {size} shards, or raise memory_mb so that every process can hold all of them"
            )
        # Memory holds two windows: the current one and the one being read.
        fitting = max(1, int(self._window_memory_mb / self._shard_mb))
        return size * min(fitting, shards // size)

    @property
    def _window_batches(self) -> int:
        crops = CROPS_A_PICTURE_READ * self.pictures * self._window_shards / len(self._shards)
        return max(1, int(crops / self._batch_size))

    def _enter(self, window: int) -> PicturePool:
        """Make `window` the current window and start to read the next one; return the current window's pictures."""
        if self._pool is None or window != self._at:
            ready = self._ahead[1].result() if self._ahead and self._ahead[0] == window else self._read(window)
            self._pool, self._at = PicturePool.of(ready, self._device), window
        if self._ahead is None or self._ahead[0] != window + 1:
            self._ahead = (window + 1, self._reader.submit(self._read, window + 1))
        return self._pool

    def _read(self, window: int) -> list[np.ndarray]:
        """Decode this process's shards of a window."""
        return _decode(self.own_shards(window))

    def own_shards(self, window: int) -> list[Shard]:
        """Shards of a streamed window that this process reads.

        Args:
            window: its number, counted from 0. Each shard is read by one process before any shard is read again.
        """
        rank, size = rank_and_size()
        places = window * self._window_shards + np.arange(self._window_shards)
        order = in_random_order(places, len(self._shards), (self._seed, 3))
        return [self._shards[place] for place in order[rank::size]]


def _decode(shards: Sequence[Shard]) -> list[np.ndarray]:
    pictures = [picture for shard in shards for picture in shard.read()]
    if not pictures:
        raise ConfigError(f"{shards[0]}: none of its pictures can be read; give other pictures with --data")
    return pictures
