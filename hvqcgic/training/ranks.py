"""Communication between the processes of one training, with the same result as one process with the whole batch.

Each process has its share of every batch: the pictures [rank * B / size, (rank + 1) * B / size). Lightning's DDP
averages the gradients. Codebook, revival and usage counts use the functions here. One process needs no process group.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor


def rank_and_size() -> tuple[int, int]:
    """Return this process's number and the number of processes; (0, 1) outside a process group."""
    return (dist.get_rank(), dist.get_world_size()) if _grouped() else (0, 1)


def own_share(batch_size: int) -> slice:
    """Slice of a batch that this process trains on.

    Args:
        batch_size: pictures in a batch over all processes, a multiple of the number of processes.
    """
    rank, size = rank_and_size()
    share = batch_size // size
    return slice(rank * share, (rank + 1) * share)


def mean_over_all(values: Tensor) -> Tensor:
    """This process's part of the mean over the values of all processes; DDP's average of the parts is the mean.

    Args:
        values: (N,), N differs between processes.
    Returns:
        scalar: the sum of the values here, times the number of processes, over the count of all values; the plain mean
        in a single process.
    """
    if not _grouped():
        return values.mean()
    count = torch.tensor(float(len(values)), device=values.device)
    dist.all_reduce(count)
    return values.sum() * dist.get_world_size() / count


def same_for_all(value: Tensor) -> Tensor:
    """Mean of a scalar over all processes, without gradient."""
    if not _grouped():
        return value
    total = value.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


def gather_parts(parts: Sequence[Tensor]) -> Tensor:
    """Gather rows of all processes in the order of one process with the whole batch.

    Args:
        parts: rows of this process by granularity, (N_g, ...) each, N_g differs between processes.
    Returns:
        (N, ...): for each granularity the rows of process 0, then of process 1, and so on; without gradient.
    """
    rows = torch.cat([part.detach() for part in parts])
    if not _grouped():
        return rows
    size = dist.get_world_size()
    own = torch.tensor([len(part) for part in parts], device=rows.device)
    counts = [torch.zeros_like(own) for _ in range(size)]
    dist.all_gather(counts, own)
    longest = max(int(count.sum()) for count in counts)
    padded = torch.cat([rows, rows.new_zeros(longest - len(rows), *rows.shape[1:])])
    found = [torch.empty_like(padded) for _ in range(size)]
    dist.all_gather(found, padded)
    split = [other[: int(count.sum())].split(count.tolist()) for other, count in zip(found, counts, strict=True)]
    return torch.cat([part for place in zip(*split, strict=True) for part in place])


def _grouped() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
