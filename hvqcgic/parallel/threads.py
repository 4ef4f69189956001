"""Threads that stay, and a limit of one thread for PyTorch inside each of them.

New threads cost more than many a piece: they start with no memory of their own, so that each buffer takes fresh pages.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

MOST_THREADS = 4
"""More threads would wait for the range coder, which takes a fifth of the work and cannot run in parallel."""

Part = TypeVar("Part")

_pools: list[ThreadPoolExecutor] = []
if hasattr(os, "register_at_fork"):
    # A forked process has none of its parent's threads.
    os.register_at_fork(after_in_child=_pools.clear)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch to the calling thread for small pieces; waking other threads takes seconds on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def threads_for(pieces: int) -> int:
    """Number of threads for a number of pieces: what PyTorch may use here, at most `MOST_THREADS`, at least 1."""
    return max(1, min(torch.get_num_threads(), MOST_THREADS, pieces))


def workers() -> ThreadPoolExecutor:
    """The threads of this process. Call it, and submit work, within `one_thread`: new threads take over its limit."""
    if not _pools:
        _pools.append(ThreadPoolExecutor(MOST_THREADS, "hvqcgic"))
    return _pools[0]


def each_in_threads(work: Callable[[Part], object], parts: Sequence[Part]) -> None:
    """Call `work` for each part: in this thread if there is one part, else all at once in `workers`.

    Raises:
        Exception: the first that `work` raises, after all parts have ended.
    """
    with one_thread():
        if len(parts) == 1:
            work(parts[0])
            return
        calls = [workers().submit(work, part) for part in parts]
        errors = [call.exception() for call in calls]
    for error in errors:
        if error is not None:
            raise error
