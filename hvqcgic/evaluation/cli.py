"""`python -m hvqcgic.evaluate`: parse the options, make rows, print tables, write the report.

Exit codes: 0 done; 1 a codec failed on some picture; 2 bad input or usage; 130 interrupted; 143 terminated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from hvqcgic.cli import (
    SOME_FAILED,
    complain,
    interruption_code,
    n_cores,
    progress_bar,
    run_program,
    say,
    say_json,
    say_table,
)
from hvqcgic.evaluation.options import build_parser

if TYPE_CHECKING:
    from hvqcgic.evaluation.pictures import Source
    from hvqcgic.evaluation.request import Request
    from hvqcgic.evaluation.results import Row, SetMetrics
    from hvqcgic.evaluation.runner import Plan


@dataclass(frozen=True)
class Ended:
    """End of the row making: the exit code, and one line about an early stop, or ""."""

    code: int
    why: str = ""


def run(options: Namespace) -> int:
    """Make the rows, write all outputs, return the exit code.

    Raises:
        HvqcgicError: `read_request` refuses the options, a codec cannot be used, or the folder cannot be written.
    """
    from hvqcgic.evaluation.request import read_request
    from hvqcgic.evaluation.results import Run, write_rows, write_run
    from hvqcgic.evaluation.runner import collect, make_plan
    from hvqcgic.evaluation.summary import as_json, means, summary_table
    from hvqcgic.evaluation.versions import versions

    request = read_request(options)
    folder, sources = request.folder, _read_pictures(request)
    plan = make_plan(folder, sources, request.specs.codecs, request.metrics, request.metric_options)
    ended = _make_rows(plan, options.jobs or n_cores())
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
        say_table(summary_table(points))
    for name, why in found.metric_notes.items():
        complain(f"{name}: {why}")
    if options.report and any(row.ok for row in outcome.rows):
        _write_report(request, quiet=options.json)
    return _finish(outcome.rows, outcome.missing, ended)


def main(arguments: list[str] | None = None) -> int:
    """Run the program; return the exit code, see the module."""
    return run_program("hvqcgic.evaluate", lambda: build_parser().parse_args(arguments), run, kept="rows that are done")


def _read_pictures(request: Request) -> list[Source]:
    from hvqcgic.evaluation.pictures import prepare
    from hvqcgic.pictures import allow_large_pictures

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
        why = "interrupted; what is done is kept and reported, the same command goes on"
        return Ended(interruption_code(error), why)
    except WorkerLost as error:
        return Ended(SOME_FAILED, str(error))
    return Ended(0)


def _measure_sets(request: Request, rows: Sequence[Row]) -> tuple[tuple[SetMetrics, ...], dict[str, str]]:
    """Measure the metrics of whole sets; return them and, by name, the reasons for missing metrics."""
    from hvqcgic.evaluation.results import by_point
    from hvqcgic.evaluation.sets import SetMeasurer, inception_of, measure_sets

    groups = [coded for group in by_point(rows).values() if (coded := [row for row in group if row.ok])]
    names = request.set_metrics
    if not names or not groups:
        return (), {}
    with progress_bar("whole sets", len(groups)) as advance:
        measurer = SetMeasurer(request.folder, inception_of(request.metric_options.device))
        sets, note = measure_sets(measurer, groups, advance)
    chosen = [type(entry)(entry.codec, entry.point, {n: entry.metrics[n] for n in names}) for entry in sets]
    return tuple(chosen), dict.fromkeys(names, note) if note else {}


def _write_report(request: Request, *, quiet: bool) -> None:
    """Write plots, BD-rates, report and TensorBoard files from the folder's results; print BD-rates unless `quiet`."""
    import numpy as np

    from hvqcgic.evaluation.bd_table import bd_rate_table, write_bd_rates
    from hvqcgic.evaluation.plots import write_plots
    from hvqcgic.evaluation.report import write_report
    from hvqcgic.evaluation.tensorboard import write_tensorboard

    rates = write_bd_rates(request.folder, anchor=request.anchor, generator=np.random.default_rng(0))
    write_plots(request.folder)
    write_tensorboard(request.folder)
    path = write_report(request.folder, rates=rates, embed=request.embed)
    if not quiet:
        say_table(bd_rate_table(rates))
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
