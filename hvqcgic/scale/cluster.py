"""Workers of Dask: a cluster somewhere, or processes of this machine for the time of one call."""

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
    """The scheduler of a cluster cannot be reached any more."""


@contextmanager
def connected(scheduler: str | None, workers: int) -> Iterator[Client]:
    """A connection to a cluster.

    Args:
        scheduler: its address; None for workers on this machine, which end with the connection.
        workers: how many of those; 0 for one a CPU core.
    Raises:
        ConfigError: the scheduler cannot be reached.
    """
    from distributed import Client

    # What it tells of workers that come and go is no concern here: their shards are done by others.
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
    """A shard that is done, with its number of rows, or has failed, with one line why."""

    shard: str
    rows: int = 0
    why: str = ""


def done_shards(client: Client, request: Request, to_do: list[str]) -> Iterator[Ended]:
    """Have shards done by the workers; one that dies is replaced by others.

    Args:
        client: of a cluster.
        request: the run.
        to_do: names of shards.
    Yields:
        each shard when it is done or has failed.
    Raises:
        ClusterLost: the scheduler has gone.
    """
    from distributed import as_completed

    def errand(data: bytes) -> int:
        # Sent as code and bytes: what cannot be imported on a worker then fails there as any error of a shard does.
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
    """One line on a shard that failed."""
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
        # The system knows better what is left than a fixed share for each worker.
        memory_limit=0,
        dashboard_address=None,  # pyright: ignore[reportArgumentType] - Dask documents None
        silence_logs=logging.CRITICAL,
    )
