"""A Dask cluster of single processes for `test_scale.py`, so that each can be killed."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.processes import Program, start_module


@dataclass(frozen=True)
class Cluster:
    """A scheduler's address, and its workers."""

    address: str
    workers: list[Program]


@contextmanager
def process(module: str, *words: object) -> Iterator[Program]:
    """A module that runs in a process of its own, which ends with the block."""
    started = start_module(module, *words)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    """A scheduler and workers of one thread, on the loopback."""
    file = folder / "scheduler.json"
    with ExitStack() as stack:
        options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file)
        scheduler = stack.enter_context(process("distributed.cli.dask_scheduler", *options))
        while not (file.is_file() and file.read_text().strip()):
            assert scheduler.poll() is None, scheduler.communicate()
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        words = ("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        yield Cluster(address, [stack.enter_context(process(*words)) for _ in range(workers)])
