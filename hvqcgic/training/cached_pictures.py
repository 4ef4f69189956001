"""Training batches of stage hyperprior from cached features (see `feature_cache.py`), without an encoder in a step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch

from hvqcgic.bitstream import MEANS
from hvqcgic.cli import progress_bar
from hvqcgic.errors import ConfigError
from hvqcgic.models import MeansConfig, local_means
from hvqcgic.training.crop_stream import in_random_order
from hvqcgic.training.crops import CachedCrops
from hvqcgic.training.data import PictureDataModule, TrainBatches
from hvqcgic.training.feature_cache import CELL_PX, Entry, FeatureCache, check_folder, parts_of
from hvqcgic.training.module import HvqModule
from hvqcgic.training.processes import first_console
from hvqcgic.training.ranks import own_share
from hvqcgic.training.sources import Shard


class CachedStream:
    """Endless training batches: windows of the features of whole pictures, at multiples of 16 px.

    The windows differ from crops of `CropStream`. Features near a window's edge depend on the picture beyond the edge,
    as in a file; features near a crop's edge depend on padding. Attention and normalisation use the whole picture.
    There are no flips and no downscaled crops, because an encoder does not commute with either. The granularity map is
    drawn from the window, as from a crop.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        crop_px: int,
        batch_size: int,
        *,
        seed: int,
        device: torch.device | str = "cpu",
        means: MeansConfig | None = None,
    ) -> None:
        """Create a stream of windows of entries.

        Args:
            entries: of the training pictures, at least one; none smaller than a window.
            crop_px: side of the windows in pixels, a multiple of 16.
            batch_size: windows in a batch.
            seed: seed of order and positions.
            device: device of the batches.
            means: local means of the model: windows then begin at multiples of their blocks.
        """
        self._means, self._step = means, means.block_px // CELL_PX if means else 1
        self._entries, self._cells, self._batch_size = tuple(entries), crop_px // CELL_PX, batch_size
        self._seed, self._device = seed, torch.device(device)

    def batch(self, number: int) -> CachedCrops:
        """This process's share of batch `number`, counted from 0.

        Determinism: a pure function of the seed and the number for given entries; same-device.
        """
        generator = np.random.default_rng([self._seed, 1, number])
        samples = number * self._batch_size + np.arange(self._batch_size)
        chosen = [self._entries[place] for place in in_random_order(samples, len(self._entries), (self._seed, 2))]
        corners = [generator.integers(0, [self._places(e.rows), self._places(e.columns)]) * self._step for e in chosen]
        share = own_share(self._batch_size)
        windows = [
            entry.window(int(row), int(column), self._cells)
            for entry, (row, column) in zip(chosen[share], corners[share], strict=True)
        ]
        stacked = {
            name: torch.from_numpy(np.stack([window[name] for window in windows])).to(self._device)
            for name in windows[0]
        }
        picture = stacked.pop("picture").to(torch.float32) / 255
        if self._means:
            stacked[MEANS] = local_means(self._means, picture)
        return CachedCrops(picture, stacked)

    def _places(self, cells: int) -> int:
        """Number of places at which a window can begin along a side."""
        return (cells - self._cells) // self._step + 1


class CachedPictures(PictureDataModule):
    """A `PictureDataModule` whose training batches come from a cache, which is filled before the first batch."""

    def __init__(self, folder: Path, data: str | None, val: str | None, **settings: Any) -> None:
        """Check the settings, and whether the cache can be written.

        Args:
            folder: of the cache.
            data: training pictures, see `PictureDataModule`.
            val: validation pictures, see `PictureDataModule`.
            **settings: of `PictureDataModule`; `downscale` and `memory_mb` have no effect.
        Raises:
            ConfigError: as in `PictureDataModule`.
            OutputError: the cache cannot be written.
        """
        super().__init__(data, val, **settings)
        check_folder(folder)
        self._folder, self._shards = folder, ()
        self._console = first_console()

    def train_dataloader(self) -> TrainBatches:
        """Endless `CachedCrops` on the trainer's device.

        Raises:
            ConfigError: no training picture can be read.
            OutputError: the cache cannot be written, or is full.
        """
        self.setup()
        assert self.trainer is not None
        module = self.trainer.lightning_module
        assert isinstance(module, HvqModule)
        entries = self._fill(FeatureCache(self._folder, module.model), self.trainer)
        means = module.model.config.means
        stream = CachedStream(entries, self.crop_px, self.batch_size, seed=self.seed, device=module.device, means=means)
        return TrainBatches(self, stream.batch)

    @property
    def training_count(self) -> int:
        """Number of training pictures."""
        return sum(len(shard.names) for shard in self._shards)

    def _open(self, shards: Sequence[Shard]) -> None:
        """Store the shards for `train_dataloader`, because the backbone has its weights and its device only then."""
        self._shards = tuple(shards)

    def _fill(self, cache: FeatureCache, trainer: lightning.Trainer) -> list[Entry]:
        """Return the entries of all training pictures; memory holds one picture at a time."""
        entries: list[Entry] = []
        total = sum(len(shard.names) for shard in self._shards)
        try:
            with progress_bar("features", total) as advance:
                for shard in self._shards:
                    for picture in shard.stream():
                        entries += [cache.entry(part) for part in parts_of(picture, self.crop_px)]
                        advance("")
                        if trainer.received_sigterm:
                            raise KeyboardInterrupt
        except KeyboardInterrupt:
            self._say(f"interrupted: features of {len(entries)} pictures are kept; the same command goes on from there")
            raise
        if not entries:
            raise ConfigError(f"{self.data}: no training picture can be read; give others with --data")
        again = f", {cache.repaired} of them damaged before" if cache.repaired else ""
        computed = cache.computed + cache.repaired
        self._say(f"features of {len(entries)} pictures: {cache.read} read, {computed} computed{again}; {cache.folder}")
        return entries

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)
