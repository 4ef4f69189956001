"""A Dask cluster of single processes for `test_scale.py`, so that each can be killed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class Cluster:
    """A scheduler's address, and its workers."""

    address: str
    workers: list[subprocess.Popen[str]]


@contextmanager
def process(*words: object) -> Iterator[subprocess.Popen[str]]:
    """A Python process that ends with the block."""
    command = [sys.executable, *map(str, words)]
    started = subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    """A scheduler and workers of one thread, on the loopback."""
    file = folder / "scheduler.json"
    with ExitStack() as stack:
        options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file)
        scheduler = stack.enter_context(process("-m", "distributed.cli.dask_scheduler", *options))
        while not (file.is_file() and file.read_text().strip()):
            assert scheduler.poll() is None, scheduler.communicate()
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        words = ("-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        yield Cluster(address, [stack.enter_context(process(*words)) for _ in range(workers)])


def scale(*words: object) -> subprocess.CompletedProcess[str]:
    """A call of `python -m hvqcgic.scale`."""
    command = [sys.executable, "-m", "hvqcgic.scale", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
