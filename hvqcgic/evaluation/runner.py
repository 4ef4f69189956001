"""All rows of a run: rows of an earlier run are kept, the others are made in parallel."""

from __future__ import annotations

import multiprocessing
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from hvqcgic.errors import HvqcgicError
from hvqcgic.evaluation.metrics import METRICS, MetricOptions, MetricUnavailable
from hvqcgic.evaluation.pictures import Source
from hvqcgic.evaluation.results import Row
from hvqcgic.evaluation.spec import CodecSpec
from hvqcgic.evaluation.work import Job, failed_row, find_kept, read_kept, run_job
from hvqcgic.parallel import one_thread
from hvqcgic.pictures import allow_large_pictures


class WorkerLost(HvqcgicError):
    """A worker process ended without an error message."""


@dataclass(frozen=True)
class Plan:
    """The work of a run.

    Attributes:
        jobs: of readable pictures, picture after picture.
        unreadable: rows of the other pictures.
        metric_notes: reasons for missing metrics, by name.
    """

    jobs: tuple[Job, ...]
    unreadable: tuple[Row, ...]
    metric_notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """Existing rows in the order of the plan, and the reasons for metrics missing in some or all rows."""

    rows: tuple[Row, ...]
    metric_notes: dict[str, str]
    missing: int


def make_plan(
    folder: Path, sources: Sequence[Source], specs: Sequence[CodecSpec], metrics: Sequence[str], options: MetricOptions
) -> Plan:
    """Check every codec and metric once, before any row is made.

    Args:
        folder: of the run.
        sources: pictures of the run.
        specs: codecs of the run.
        metrics: names of the requested metrics.
        options: of the metrics; the codecs use the same device.
    Raises:
        ConfigError: a codec cannot be used on this machine.
        ModelError: there is no such model.
    """
    # Codecs come first, so that a wrong name is refused before metrics download large weights.
    opened = [(spec, point, spec.open(point, device=options.device)) for spec in specs for point in spec.points]
    points = [(spec, point, codec.fingerprint) for spec, point, codec in opened]
    versions, notes = _available(metrics, options)
    jobs = [Job(folder, source, *point, versions, options) for source in sources for point in points]
    unreadable = tuple(failed_row(job, job.source.problem) for job in jobs if job.source.problem)
    return Plan(tuple(job for job in jobs if not job.source.problem), unreadable, notes)


def to_do(plan: Plan) -> list[Job]:
    """Return the jobs without a row, or with missing metrics, from an earlier run."""
    return [job for job in plan.jobs if (kept := find_kept(job)) is None or not kept.is_complete(job)]


def run_jobs(jobs: Sequence[Job], processes: int, *, done: Callable[[str], None]) -> None:
    """Make rows, in this process or in several processes of one thread each.

    Args:
        jobs: the rows to make.
        processes: number of processes.
        done: called with a job's label after each job.
    Raises:
        OutputError: the run's folder cannot be written.
        WorkerLost: a process was killed, for example for lack of memory.
        KeyboardInterrupt: this and any other exception of a signal ends all processes at once; finished rows are kept.
    """
    if processes > 1 and len(jobs) > 1:
        _run_parallel(jobs, min(processes, len(jobs)), done)
        return
    # One thread, as in the processes of a parallel run.
    with one_thread():
        for job in jobs:
            run_job(job)
            done(_label(job))


def collect(plan: Plan) -> Outcome:
    """Read the existing rows of a plan."""
    rows: list[Row] = list(plan.unreadable)
    notes = dict(plan.metric_notes)
    missing = 0
    for job in plan.jobs:
        kept = read_kept(job)
        if kept is None:
            missing += 1
            continue
        chosen = {name: value for name, value in kept.row.metrics.items() if name in job.metrics}
        rows.append(replace(kept.row, metrics=chosen))
        for name, why in kept.notes.items():
            if name in job.metrics:
                notes.setdefault(name, f"absent of some pictures, such as {job.source.name}: {why}")
    return Outcome(tuple(rows), notes, missing)


def _available(names: Sequence[str], options: MetricOptions) -> tuple[dict[str, str], dict[str, str]]:
    """Return the versions of the metrics that can be loaded, and the reasons for the others."""
    versions: dict[str, str] = {}
    notes: dict[str, str] = {}
    for name in names:
        try:
            versions[name] = METRICS[name](options).version
        except MetricUnavailable as error:
            notes[name] = str(error)
    return versions, notes


def _run_parallel(jobs: Sequence[Job], processes: int, done: Callable[[str], None]) -> None:
    before = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_start_worker) as executor:
        with _deaf_to_interrupts():
            labels = {executor.submit(run_job, job): _label(job) for job in jobs}
        try:
            for future in as_completed(labels):
                future.result()
                done(labels[future])
        except BrokenProcessPool as error:
            raise WorkerLost(
                "a process that was coding ended unexpectedly, often for lack of memory; what is done is kept: "
                "run the same command again with fewer --jobs"
            ) from error
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            for worker in set(multiprocessing.active_children()) - before:
                worker.terminate()
            raise


def _start_worker() -> None:
    torch.set_num_threads(1)
    allow_large_pictures()
    # Warnings of picture reading and of metrics were shown before, or do not help during a run of hundreds of rows.
    warnings.simplefilter("ignore")


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Make new processes ignore Ctrl-C, which a terminal sends to all processes; this process ends them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _label(job: Job) -> str:
    return f"{job.source.name} {job.spec.label} {job.point}"
