"""The options of `python -m hvqcgic.evaluate`, and the run they describe.

Exit codes: 0 done; 1 a codec failed on some picture; 2 bad input or usage; 130 interrupted; 143 terminated.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from jsonargparse import ArgumentError, ArgumentParser, Namespace

from hvqcgic.commands.terminal import complain, plain_warnings, progress_bar, say, say_json
from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.files import PICTURE_SUFFIXES, find_inputs

if TYPE_CHECKING:
    from rich.table import Table

    from hvqcgic.evaluation.pictures import Source
    from hvqcgic.evaluation.results import Row, SetMetrics
    from hvqcgic.evaluation.runner import Plan
    from hvqcgic.evaluation.spec import CodecSpec

SOME_FAILED, USAGE = 1, 2
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


class _Terminated(KeyboardInterrupt):
    """The process was asked to end."""


@dataclass(frozen=True)
class Ended:
    """How the making of rows ended: the exit code, and one line why it stopped early, or ""."""

    code: int
    why: str = ""


def build_parser() -> ArgumentParser:
    """All options; every one can also stand in a YAML file given with --config."""
    parser = ArgumentParser(
        prog="python -m hvqcgic.evaluate",
        description="Code pictures with several codecs at several points, measure what comes back, draw the curves. "
        "The same command again goes on where it stopped.",
        exit_on_error=False,
    )
    parser.add_argument("--config", action="config", help="YAML file with any of these options")
    parser.add_argument("pictures", type=str, nargs="+", metavar="PICTURES", help="pictures, or folders of pictures")
    parser.add_argument(
        "--codecs",
        type=str,
        nargs="+",
        required=True,
        metavar="SPEC",
        help="NAME[:VARIANT][@POINTS], such as hvqcgic:tiny@ratios=0.5,0.4,0.1 or hvqcgic:tiny@path=0..1:8 or "
        "hvqcgic:tiny-frozen+static-huffman or jpeg@5..80:8 or webp, avif, jpeg2000, or published:FILE.json; "
        "a name that does not exist lists those that do",
    )
    parser.add_argument("--out", type=str, required=True, metavar="DIR", help="folder for everything a run leaves")
    parser.add_argument(
        "--metrics", type=str, nargs="+", metavar="NAME", help="metrics to measure (default: all that can be had)"
    )
    parser.add_argument("--jobs", type=int, default=0, help="processes of one thread each; 0 for one a CPU core")
    parser.add_argument("--device", type=str, default="cpu", help="where networks run: cpu, cuda, cuda:1 ...")
    parser.add_argument(
        "--niqe_parameters",
        type=str | None,
        default=None,
        metavar="FILE",
        help="pristine model for NIQE (.npz with mu_pris_param and cov_pris_param) in place of the bundled one",
    )
    _add_report_options(parser)
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    return parser


def _add_report_options(parser: ArgumentParser) -> None:
    """What is written for people to look at."""
    parser.add_argument("--report", type=bool, default=True, help="write plots, BD-rates, report and TensorBoard files")
    parser.add_argument(
        "--anchor",
        type=str | None,
        default=None,
        metavar="CODEC",
        help="what BD-rates are against (default: the first)",
    )
    parser.add_argument(
        "--embed",
        type=str,
        nargs="+",
        metavar="PICTURE",
        help="names of pictures to put into report.html, or `all`; by default they lie beside it in DIR/pictures",
    )


def run(options: Namespace) -> int:
    """Makes the rows and writes what comes of them; returns the exit code.

    Raises:
        HvqcgicError: pictures, codecs, points or metrics that cannot be used, or a folder that cannot be written to.
    """
    from hvqcgic.evaluation.results import Run, write_rows, write_run
    from hvqcgic.evaluation.runner import collect
    from hvqcgic.evaluation.spec import parse_specs
    from hvqcgic.evaluation.summary import as_json, means, summary_table
    from hvqcgic.evaluation.versions import versions

    folder = Path(options.out)
    specs = parse_specs(options.codecs)
    metrics, set_metrics = _chosen_metrics(options.metrics)
    sources = _read_pictures(options.pictures, folder)
    plan = _plan(options, folder, sources, specs.codecs, metrics)
    ended = _make_rows(plan, options.jobs or _cores())
    outcome = collect(plan)
    sets, set_notes = _measure_sets(folder, outcome.rows, set_metrics, options.device) if not ended.code else ((), {})
    found = Run(
        specs=tuple(options.codecs),
        pictures={source.name: source.path for source in sources},
        settings={"metrics": [*metrics, *set_metrics], "device": options.device, "jobs": options.jobs},
        versions=versions(),
        metric_notes=outcome.metric_notes | set_notes,
        set_metrics=sets,
        published=tuple(map(str, specs.published)),
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
        _write_report(folder, options)
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


def _chosen_metrics(names: list[str] | None) -> tuple[list[str], list[str]]:
    """Metrics of pictures and of sets among the names, all of both without names."""
    from hvqcgic.evaluation.metrics import METRICS
    from hvqcgic.evaluation.metrics.sets import SET_METRICS

    known = [*METRICS, *SET_METRICS]
    wanted = names or known
    if unknown := [name for name in wanted if name not in known]:
        raise ConfigError(f"unknown metric {unknown[0]!r}: known are {', '.join(known)}")
    return [name for name in METRICS if name in wanted], [name for name in SET_METRICS if name in wanted]


def _read_pictures(arguments: list[str], folder: Path) -> list[Source]:
    from hvqcgic.evaluation.pictures import picture_names, prepare
    from hvqcgic.picture import allow_large_pictures

    allow_large_pictures()
    inputs = find_inputs(arguments, PICTURE_SUFFIXES, "pictures")
    for problem in inputs.problems:
        complain(problem)
    if not inputs.paths:
        raise ConfigError("no pictures to evaluate; name pictures, or folders of pictures")
    sources = []
    with progress_bar("read pictures", len(inputs.paths)) as advance:
        for name, path in picture_names(inputs.paths).items():
            sources.append(prepare(folder, name, path))
            advance("")
    return sources


def _plan(
    options: Namespace, folder: Path, sources: Sequence[Source], specs: Sequence[CodecSpec], metrics: list[str]
) -> Plan:
    from hvqcgic.evaluation.metrics import MetricOptions
    from hvqcgic.evaluation.runner import make_plan

    parameters = Path(options.niqe_parameters) if options.niqe_parameters else None
    if parameters is not None and not parameters.is_file():
        raise ConfigError(f"--niqe_parameters {parameters}: there is no such file")
    return make_plan(folder, sources, specs, metrics, MetricOptions(options.device, parameters))


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


def _measure_sets(
    folder: Path, rows: Sequence[Row], names: list[str], device: str
) -> tuple[tuple[SetMetrics, ...], dict[str, str]]:
    """Metrics of whole sets; where they cannot be had, the reason under each name."""
    from hvqcgic.evaluation.sets import SetMeasurer, inception_of, measure_sets
    from hvqcgic.evaluation.summary import group_points

    groups = [coded for group in group_points(rows) if (coded := [row for row in group if row.ok])]
    if not names or not groups:
        return (), {}
    with progress_bar("whole sets", len(groups)) as advance:
        sets, note = measure_sets(SetMeasurer(folder, inception_of(device)), groups, advance)
    chosen = [type(entry)(entry.codec, entry.point, {n: entry.metrics[n] for n in names}) for entry in sets]
    return tuple(chosen), dict.fromkeys(names, note) if note else {}


def _write_report(folder: Path, options: Namespace) -> None:
    """Plots, BD-rates, report and TensorBoard files from what is in the folder."""
    import numpy as np

    from hvqcgic.evaluation.bd_rates import bd_rate_table, write_bd_rates
    from hvqcgic.evaluation.plots import write_plots
    from hvqcgic.evaluation.report import write_report
    from hvqcgic.evaluation.tensorboard import write_tensorboard

    rates = write_bd_rates(folder, anchor=options.anchor, generator=np.random.default_rng(0))
    write_plots(folder)
    write_tensorboard(folder)
    embed = options.embed or []
    path = write_report(folder, rates=rates, embed="all" if embed == ["all"] else embed)
    if not options.json:
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
