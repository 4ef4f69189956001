"""Dask workers: of an existing cluster, or processes of this machine for one call."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hvqcgic.cli import complain, n_cores
from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.files import one_line, reason
from hvqcgic.scale.request import Request
from hvqcgic.scale.tasks import do_shard

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_TIMEOUT = "5s"


class ClusterLost(HvqcgicError):
    """The scheduler of a cluster is no longer reachable."""


@contextmanager
def connected(scheduler: str | None, workers: int) -> Iterator[Client]:
    """Connect to a cluster.

    Args:
        scheduler: address of the scheduler; None to start workers on this machine, which end with the connection.
        workers: number of workers on this machine; 0 for one per CPU core.
    Raises:
        ConfigError: the scheduler cannot be reached.
    """
    from distributed import Client

    # Dask's log lines about workers that join and leave are hidden: other workers take over their shards.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if scheduler is None:
        with _local_cluster(workers) as cluster, Client(cluster) as client:
            yield client
        return
    try:
        client = Client(scheduler, timeout=_CONNECT_TIMEOUT)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConfigError(
            f"--scheduler {scheduler}: cannot be reached ({one_line([reason(error)])}); start it with `dask scheduler`"
        ) from error
    with client:
        if not client.scheduler_info()["workers"]:
            complain(f"{scheduler} has no workers yet, waits for some: dask worker {scheduler} --nthreads 1")
        yield client


@dataclass(frozen=True)
class Ended:
    """A finished shard with its number of rows, or a failed shard with one line on the failure."""

    shard: str
    rows: int = 0
    why: str = ""


def done_shards(client: Client, request: Request, to_do: list[str]) -> Iterator[Ended]:
    """Process shards on the workers; shards of a dead worker go to other workers.

    Args:
        client: of a cluster.
        request: the run.
        to_do: names of shards.
    Yields:
        each shard when it has finished or failed.
    Raises:
        ClusterLost: the scheduler is gone.
    """
    from distributed import as_completed

    def errand(data: bytes) -> int:
        # The task is sent as code and bytes, so that a failed import on a worker is an error of the shard.
        do, arguments = pickle.loads(data)
        return do(*arguments)

    futures: dict[Any, str] = {}
    for name in to_do:
        data = pickle.dumps((do_shard, (request.work, name, request.places[name])))
        futures[client.submit(errand, data, pure=False)] = name
    try:
        for future in as_completed(futures):
            if future.status in ("cancelled", "lost"):
                raise ClusterLost("the scheduler of the cluster is lost; shards that are done are kept: run it again")
            shard, error = futures[future], future.exception()
            yield Ended(shard, why=_why(error, request.places[shard])) if error else Ended(shard, future.result())
    finally:
        client.cancel(list(futures))


def _why(error: BaseException, place: str) -> str:
    """Describe a failed shard in one line."""
    from distributed.scheduler import KilledWorker

    if isinstance(error, KilledWorker):
        return f"{place}: several workers died while they had this shard, of lack of memory for example"
    text = one_line([error if isinstance(error, HvqcgicError) else f"{type(error).__name__}: {error}"])
    return text if place in text else f"{place}: {text}"


def _local_cluster(workers: int) -> Any:
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=workers or n_cores(),
        threads_per_worker=1,
        # No fixed memory limit per worker: the system knows better how much memory is left.
        memory_limit=0,
        dashboard_address=None,  # pyright: ignore[reportArgumentType] - Dask documents None
        silence_logs=logging.CRITICAL,
    )
