"""What one process of several does for `test_windows.py`."""

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from hvqcgic.errors import ConfigError
from hvqcgic.training.crop_stream import CropStream
from hvqcgic.training.sources import Shard, find_shards

BATCH, BATCHES = 4, 24


@dataclass(frozen=True)
class Noted:
    """A shard that notes its name where it is decoded whole."""

    shard: Shard
    read_here: list[str]

    @property
    def names(self) -> tuple[str, ...]:
        return self.shard.names

    def read(self) -> list[np.ndarray]:
        self.read_here.append(self.names[0])
        return self.shard.read()

    def stream(self) -> Iterator[np.ndarray]:
        return self.shard.stream()

    def keep(self, names: Collection[str]) -> Shard:
        return self.shard.keep(names)


def main(rank: int, size: int, memory_mb: int, folder: str, out: str) -> None:
    """Writes OUT/RANK.json: the shards of each window, those that were decoded, and a hash of each batch."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{out}/group", rank=rank, world_size=size)
    read_here: list[str] = []
    shards = [Noted(shard, read_here) for shard in find_shards(folder)]
    stream = CropStream(shards, 32, BATCH, seed=0, downscale=2.0, memory_mb=memory_mb)
    found: dict[str, object] = {"streamed": stream.streamed, "read": read_here}
    try:
        batches = [stream.batch(number) for number in range(BATCHES)]
        found["shapes"] = [list(batch.shape) for batch in batches]
        found["batches"] = [hashlib.sha256(batch.numpy().tobytes()).hexdigest() for batch in batches]
        later = CropStream(shards, 32, BATCH, seed=0, downscale=2.0, memory_mb=memory_mb)
        found["same_later"] = torch.equal(later.batch(BATCHES - 1), batches[-1])
        if stream.streamed:
            found["windows"] = [[shard.names[0] for shard in stream.own_shards(window)] for window in range(4)]
    except ConfigError as error:
        found["error"] = str(error)
    Path(out, f"{rank}.json").write_text(json.dumps(found))
    dist.barrier()
    dist.destroy_process_group()
