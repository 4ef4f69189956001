"""Where a training runs: its processes (data-parallel training, Lightning's DDP), and its precision."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch.strategies import DDPStrategy
from rich.console import Console

from hvqcgic.errors import ConfigError
from hvqcgic.models import processor_multiplies_bf16


@dataclass(frozen=True)
class Processes:
    """Processes that share every batch and train one model.

    Args:
        devices: processes on each machine: one per GPU, or one per group of CPU threads. Without torchrun, the command
            starts the other processes itself; with torchrun, this must equal its --nproc_per_node.
        num_nodes: number of machines; the command is started on each of them, best with torchrun.
    """

    devices: int = 1
    num_nodes: int = 1

    def __post_init__(self) -> None:
        """Check that both numbers are at least 1.

        Raises:
            ConfigError: names the wrong number.
        """
        for name, value in vars(self).items():
            if value < 1:
                raise ConfigError(f"--trainer.{name} is {value}; use at least 1")

    def __str__(self) -> str:
        """Return the options as typed; empty for a single process."""
        return f"--trainer.devices {self.devices} --trainer.num_nodes {self.num_nodes}" if self.count > 1 else ""

    @property
    def count(self) -> int:
        """Number of processes over all machines."""
        return self.devices * self.num_nodes

    def check_batch(self, batch_size: int) -> None:
        """Check that the processes can share a batch of `batch_size` pictures evenly.

        Raises:
            ConfigError: names both numbers.
        """
        if batch_size % self.count:
            raise ConfigError(
                f"pictures.batch_size is {batch_size}, which {self.count} processes cannot share evenly; "
                f"use a multiple of {self.count}"
            )

    def for_trainer(self) -> dict[str, Any]:
        """Return arguments of Lightning's trainer. `ranks.own_share` distributes the batches, not a sampler."""
        # In a step without cells of a granularity, its networks get no gradient.
        strategy = "auto" if self.count == 1 else DDPStrategy(find_unused_parameters=True)
        return {**vars(self), "strategy": strategy, "use_distributed_sampler": False}


def is_first() -> bool:
    """Whether this process writes to terminal and charts; known before the process group exists."""
    known = (os.environ.get(name) for name in ("RANK", "SLURM_PROCID"))
    rank = next((value for value in known if value), None)
    if rank is None:
        rank = int(os.environ.get("LOCAL_RANK", "0")) + int(os.environ.get("NODE_RANK", "0"))
    return int(rank) == 0


def first_console() -> Console:
    """Console on standard error for the first process; silent for the others."""
    return Console(stderr=True, quiet=not is_first())


def lightning_precision(precision: str, accelerator: str, processes: Processes) -> str:
    """Lightning's name of a precision.

    Args:
        precision: a name of Lightning's, which is returned as it is, or "auto": "bf16-mixed" on a processor that
            multiplies bfloat16, "32-true" on others, on a GPU, and on several machines, which may differ.
        accelerator: Lightning's cpu, cuda, mps or auto.
        processes: of the training.
    """
    if precision != "auto":
        return precision
    on_processor = accelerator == "cpu" or (accelerator == "auto" and not torch.accelerator.is_available())
    return "bf16-mixed" if on_processor and processes.num_nodes == 1 and processor_multiplies_bf16() else "32-true"
