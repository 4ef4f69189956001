"""How many processes train together, and how they are started (data-parallel training, Lightning's DDP)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from lightning.pytorch.strategies import DDPStrategy
from rich.console import Console

from hvqcgic.errors import ConfigError


@dataclass(frozen=True)
class Processes:
    """Processes that share every batch and train one model.

    Args:
        devices: processes on each machine, one a GPU, or one a group of CPU threads. Given alone, the command starts
            the others itself; under torchrun it must be its --nproc_per_node.
        num_nodes: machines; the command is then started on each, best with torchrun.
    """

    devices: int = 1
    num_nodes: int = 1

    def __post_init__(self) -> None:
        """Refuses less than one of either.

        Raises:
            ConfigError: naming it.
        """
        for name, value in vars(self).items():
            if value < 1:
                raise ConfigError(f"--trainer.{name} is {value}; use at least 1")

    def __str__(self) -> str:
        """The options, as typed; empty for a single process."""
        return f"--trainer.devices {self.devices} --trainer.num_nodes {self.num_nodes}" if self.count > 1 else ""

    @property
    def count(self) -> int:
        """Over all machines."""
        return self.devices * self.num_nodes

    def check_batch(self, batch_size: int) -> None:
        """Refuses a batch of `batch_size` pictures that cannot be shared evenly.

        Raises:
            ConfigError: naming both.
        """
        if batch_size % self.count:
            raise ConfigError(
                f"pictures.batch_size is {batch_size}, which {self.count} processes cannot share evenly; "
                f"use a multiple of {self.count}"
            )

    def for_trainer(self) -> dict[str, Any]:
        """Arguments of Lightning's trainer. Batches are shared out by `ranks.own_share`, not by a sampler."""
        # A granularity without cells leaves its networks without a gradient in that step.
        strategy = "auto" if self.count == 1 else DDPStrategy(find_unused_parameters=True)
        return {**vars(self), "strategy": strategy, "use_distributed_sampler": False}


def is_first() -> bool:
    """Whether this is the process of all that writes to terminal and charts; known before the group is formed."""
    known = (os.environ.get(name) for name in ("RANK", "SLURM_PROCID"))
    rank = next((value for value in known if value), None)
    if rank is None:
        rank = int(os.environ.get("LOCAL_RANK", "0")) + int(os.environ.get("NODE_RANK", "0"))
    return int(rank) == 0


def first_console() -> Console:
    """Standard error of the first process; the others are silent."""
    return Console(stderr=True, quiet=not is_first())
