"""All rows of a run: what is there from an earlier one is kept, the rest is made in parallel."""

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

from hvqcgic.entropy import one_thread
from hvqcgic.errors import HvqcgicError
from hvqcgic.evaluation.metrics import METRICS, MetricOptions, MetricUnavailable
from hvqcgic.evaluation.pictures import Source
from hvqcgic.evaluation.results import Row
from hvqcgic.evaluation.spec import CodecSpec
from hvqcgic.evaluation.work import Job, failed_row, find_kept, read_kept, run_job
from hvqcgic.pictures import allow_large_pictures


class WorkerLost(HvqcgicError):
    """A process that made rows ended without saying why."""


@dataclass(frozen=True)
class Plan:
    """What a run is to make.

    Attributes:
        jobs: of pictures that can be read, picture after picture.
        unreadable: rows of the other pictures.
        metric_notes: why a metric is absent, by name.
    """

    jobs: tuple[Job, ...]
    unreadable: tuple[Row, ...]
    metric_notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """Rows that are there, in the order of the plan, and why metrics are absent from some or all of them."""

    rows: tuple[Row, ...]
    metric_notes: dict[str, str]
    missing: int


def make_plan(
    folder: Path, sources: Sequence[Source], specs: Sequence[CodecSpec], metrics: Sequence[str], options: MetricOptions
) -> Plan:
    """Check every codec and metric once, before anything is made.

    Args:
        folder: of the run.
        sources: its pictures.
        specs: its codecs.
        metrics: names of those wanted.
        options: of the metrics; their device is the codecs' too.
    Raises:
        ConfigError: a codec cannot be used on this machine.
        ModelError: there is no such model.
    """
    # Codecs first: a name that is wrong is refused before metrics fetch weights of many megabytes.
    opened = [(spec, point, spec.open(point, device=options.device)) for spec in specs for point in spec.points]
    points = [(spec, point, codec.fingerprint) for spec, point, codec in opened]
    versions, notes = _available(metrics, options)
    jobs = [Job(folder, source, *point, versions, options) for source in sources for point in points]
    unreadable = tuple(failed_row(job, job.source.problem) for job in jobs if job.source.problem)
    return Plan(tuple(job for job in jobs if not job.source.problem), unreadable, notes)


def to_do(plan: Plan) -> list[Job]:
    """Jobs of which an earlier run left nothing, or not all metrics."""
    return [job for job in plan.jobs if (kept := find_kept(job)) is None or not kept.is_complete(job)]


def run_jobs(jobs: Sequence[Job], processes: int, *, done: Callable[[str], None]) -> None:
    """Make rows, in this process or in several of one thread each.

    Args:
        jobs: what to make.
        processes: how many at a time.
        done: is called after each with what it was.
    Raises:
        OutputError: the run's folder cannot be written to.
        WorkerLost: a process was killed, by a lack of memory for example.
        KeyboardInterrupt: as any exception that a signal raises, ends all processes at once; rows made are kept.
    """
    if processes > 1 and len(jobs) > 1:
        _run_parallel(jobs, min(processes, len(jobs)), done)
        return
    # As the processes of a parallel run compute.
    with one_thread():
        for job in jobs:
            run_job(job)
            done(_label(job))


def collect(plan: Plan) -> Outcome:
    """What is there of a plan."""
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
    """Versions of the metrics that can be loaded, and why the others cannot."""
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
    # What a picture's reading or a metric warns of was said, or is of no concern to who waits for hundreds of rows.
    warnings.simplefilter("ignore")


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let processes that start now ignore Ctrl-C, which a terminal sends to all: this one ends them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _label(job: Job) -> str:
    return f"{job.source.name} {job.spec.label} {job.point}"
