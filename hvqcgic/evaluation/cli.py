"""`python -m hvqcgic.evaluate`: from its options to rows, tables and a report.

Exit codes: 0 done; 1 a codec failed on some picture; 2 bad input or usage; 130 interrupted; 143 terminated.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from jsonargparse import ArgumentError, Namespace

from hvqcgic.commands.terminal import complain, plain_warnings, progress_bar, say, say_json
from hvqcgic.errors import HvqcgicError
from hvqcgic.evaluation.options import build_parser

if TYPE_CHECKING:
    from rich.table import Table

    from hvqcgic.evaluation.pictures import Source
    from hvqcgic.evaluation.request import Request
    from hvqcgic.evaluation.results import Row, SetMetrics
    from hvqcgic.evaluation.runner import Plan

SOME_FAILED, USAGE = 1, 2
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


class _Terminated(KeyboardInterrupt):
    """The process was asked to end."""


@dataclass(frozen=True)
class Ended:
    """How the making of rows ended: the exit code, and one line why it stopped early, or ""."""

    code: int
    why: str = ""


def run(options: Namespace) -> int:
    """Makes the rows and writes what comes of them; returns the exit code.

    Raises:
        HvqcgicError: what `read_request` refuses, a codec that cannot be used, or a folder that cannot be written to.
    """
    from hvqcgic.evaluation.request import read_request
    from hvqcgic.evaluation.results import Run, write_rows, write_run
    from hvqcgic.evaluation.runner import collect, make_plan
    from hvqcgic.evaluation.summary import as_json, means, summary_table
    from hvqcgic.evaluation.versions import versions

    request = read_request(options)
    folder, sources = request.folder, _read_pictures(request)
    plan = make_plan(folder, sources, request.specs.codecs, request.metrics, request.metric_options)
    ended = _make_rows(plan, options.jobs or _cores())
    outcome = collect(plan)
    sets, set_notes = _measure_sets(request, outcome.rows) if not ended.code else ((), {})
    found = Run(
        specs=tuple(options.codecs),
        pictures={source.name: source.path for source in sources},
        settings={"metrics": [*request.metrics, *request.set_metrics], "device": options.device, "jobs": options.jobs},
        versions=versions(),
        metric_notes=outcome.metric_notes | set_notes,
        set_metrics=sets,
        published=tuple(map(str, request.specs.published)),
    )
    write_rows(folder, outcome.rows)
    write_run(folder, found)
    points = means(outcome.rows, sets)
    if options.json:
        say_json(as_json(points, found, outcome.missing))
    else:
        _show(summary_table(points))
    for name, why in found.metric_notes.items():
        complain(f"{name}: {why}")
    if options.report and any(row.ok for row in outcome.rows):
        _write_report(request, quiet=options.json)
    return _finish(outcome.rows, outcome.missing, ended)


def main(arguments: list[str] | None = None) -> int:
    """Exit code: see the module."""
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        options = build_parser().parse_args(arguments)
        with plain_warnings():
            return run(options)
    except ArgumentError as error:
        complain(f"{error} (see python -m hvqcgic.evaluate --help)")
        return USAGE
    except HvqcgicError as error:
        complain(error)
        return USAGE
    except BrokenPipeError:
        # Whoever read the results has had enough of them.
        return SOME_FAILED
    except KeyboardInterrupt as error:
        complain("interrupted; rows that are done are kept, the same command goes on")
        return TERMINATED if isinstance(error, _Terminated) else INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, previous)


def _read_pictures(request: Request) -> list[Source]:
    from hvqcgic.evaluation.pictures import prepare
    from hvqcgic.picture import allow_large_pictures

    allow_large_pictures()
    sources = []
    with progress_bar("read pictures", len(request.pictures)) as advance:
        for name, path in request.pictures.items():
            sources.append(prepare(request.folder, name, path))
            advance("")
    return sources


def _make_rows(plan: Plan, processes: int) -> Ended:
    from hvqcgic.evaluation.runner import WorkerLost, run_jobs, to_do

    jobs = to_do(plan)
    try:
        with progress_bar("evaluate", len(jobs)) as advance:
            run_jobs(jobs, processes, done=advance)
    except KeyboardInterrupt as error:
        code = TERMINATED if isinstance(error, _Terminated) else INTERRUPTED
        return Ended(code, "interrupted; what is done is kept and reported, the same command goes on")
    except WorkerLost as error:
        return Ended(SOME_FAILED, str(error))
    return Ended(0)


def _measure_sets(request: Request, rows: Sequence[Row]) -> tuple[tuple[SetMetrics, ...], dict[str, str]]:
    """Metrics of whole sets; where they cannot be had, the reason under each name."""
    from hvqcgic.evaluation.sets import SetMeasurer, inception_of, measure_sets
    from hvqcgic.evaluation.summary import group_points

    groups = [coded for group in group_points(rows) if (coded := [row for row in group if row.ok])]
    names = request.set_metrics
    if not names or not groups:
        return (), {}
    with progress_bar("whole sets", len(groups)) as advance:
        measurer = SetMeasurer(request.folder, inception_of(request.metric_options.device))
        sets, note = measure_sets(measurer, groups, advance)
    chosen = [type(entry)(entry.codec, entry.point, {n: entry.metrics[n] for n in names}) for entry in sets]
    return tuple(chosen), dict.fromkeys(names, note) if note else {}


def _write_report(request: Request, *, quiet: bool) -> None:
    """Plots, BD-rates, report and TensorBoard files from what is in the folder; BD-rates are printed unless `quiet`."""
    import numpy as np

    from hvqcgic.evaluation.bd_rates import bd_rate_table, write_bd_rates
    from hvqcgic.evaluation.plots import write_plots
    from hvqcgic.evaluation.report import write_report
    from hvqcgic.evaluation.tensorboard import write_tensorboard

    rates = write_bd_rates(request.folder, anchor=request.anchor, generator=np.random.default_rng(0))
    write_plots(request.folder)
    write_tensorboard(request.folder)
    path = write_report(request.folder, rates=rates, embed=request.embed)
    if not quiet:
        _show(bd_rate_table(rates))
        say(str(path))


def _finish(rows: Sequence[Row], missing: int, ended: Ended) -> int:
    failed = [row for row in rows if not row.ok]
    for row in failed:
        complain(f"{row.picture}, {row.codec}, {row.point}: {row.status}")
    if failed:
        complain(f"{len(failed)} of {len(rows)} rows failed")
    if ended.code:
        complain(f"{ended.why} ({missing} rows are missing)")
    return ended.code or (SOME_FAILED if failed else 0)


def _show(table: Table) -> None:
    """Print a table as wide as the terminal, or as wide as it needs where there is none."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 250)
    with console.capture() as capture:
        console.print(table)
    say(capture.get().rstrip())


def _cores() -> int:
    """CPU cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise _Terminated
