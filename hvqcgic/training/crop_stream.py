"""Training pictures: batch number n of a training is a pure function of the seed and n.

Shards (see `sources.py`) are decoded in windows that fit the memory limit. Where everything fits, the one window is
read once; else windows follow one another in a shuffled order of the shards, the next one read while this one is used.

Of processes that train together, each holds all pictures where they fit, and cuts its share of every batch from them:
batches are those of one process. Of streamed windows each process reads shards of its own, and cuts its share of every
batch from those: batches are a function of the number of processes, too.
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
        """Keep the pictures, and make crops, on `device`."""
        self._device = torch.device(device)
        if pool := self._pool:
            self._pool = PicturePool(pool.pixels.to(device), pool.starts.to(device), pool.sizes)
        return self

    @property
    def pictures(self) -> int:
        """Pictures in all shards, readable or not."""
        return sum(len(shard.names) for shard in self._shards)

    def batch(self, number: int) -> Tensor:
        """This process's share of batch `number`, counted from 0: (B, 3, crop_px, crop_px), float32 in [0, 1].

        Determinism: a pure function of the seed and the number for given pictures, and, of streamed ones, of the
        number of processes; same-device.
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
        """The same from this process's own shards of a window."""
        rank, size = rank_and_size()
        window, within = divmod(number, self._window_batches)
        pool = self._enter(window)
        generator = np.random.default_rng([self._seed, 1, number, *([rank] if size > 1 else [])])
        chosen = self._chosen(pool, window, within, self._batch_size // size)
        return pool.crops(chosen, self._crop_px, self._downscale, generator)

    def _chosen(self, pool: PicturePool, window: int, within: int, count: int) -> np.ndarray:
        """Pictures of a batch of a window."""
        samples = within * count + np.arange(count)
        return in_random_order(samples, len(pool), (self._seed, 2, window))

    def _measure(self) -> float:
        """What a shard takes decoded, in MB, from some pictures of the first."""
        with warnings.catch_warnings():
            # What cannot be read is reported when the whole shard is read.
            warnings.simplefilter("ignore")
            sample = [picture.nbytes for picture in islice(self._shards[0].stream(), _SAMPLED_PICTURES)]
        return sum(sample) / 1e6 / max(1, len(sample)) * self.pictures / len(self._shards)

    @property
    def _window_shards(self) -> int:
        """Shards of a streamed window, over all processes: as many for each.

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
        # Two windows are held at a time: the one in use and the one being read.
        fitting = max(1, int(self._window_memory_mb / self._shard_mb))
        return size * min(fitting, shards // size)

    @property
    def _window_batches(self) -> int:
        crops = CROPS_A_PICTURE_READ * self.pictures * self._window_shards / len(self._shards)
        return max(1, int(crops / self._batch_size))

    def _enter(self, window: int) -> PicturePool:
        """Make `window` the current one and begin to read the next; returns its pictures."""
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
        """The shards of a streamed window that this process reads.

        Args:
            window: its number, counted from 0. Each shard is read, by one of the processes, before any comes again.
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
