"""`python -m hvqcgic.sweep`: from its options to trials, a Pareto front and the best operating points.

Exit codes: 0 done; 1 no trial could be measured; 2 bad input or usage; 130 interrupted; 143 terminated.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from jsonargparse import ArgumentError, Namespace

from hvqcgic.commands.terminal import complain, plain_warnings, say, say_json
from hvqcgic.errors import HvqcgicError, OutputError
from hvqcgic.files import reason
from hvqcgic.sweep.options import parse
from hvqcgic.sweep.progress import SweepBar, sweep_bar

if TYPE_CHECKING:
    from rich.table import Table

    from hvqcgic.sweep.outcome import Outcome
    from hvqcgic.sweep.places import Place

NOTHING_FOUND, USAGE = 1, 2
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


class _Terminated(KeyboardInterrupt):
    """The process was asked to end."""


def run(options: Namespace) -> int:
    """Takes part in a sweep and writes what it found; returns the exit code.

    Raises:
        HvqcgicError: options that cannot be used, a storage that cannot be reached, a study of other settings, or a
            folder that cannot be written to.
    """
    from hvqcgic.sweep.measuring import check_points, prepare_pictures
    from hvqcgic.sweep.outcome import collect
    from hvqcgic.sweep.report import write_outcome
    from hvqcgic.sweep.request import read_request
    from hvqcgic.sweep.sampler import SeededByTrial
    from hvqcgic.sweep.storage import opened_storage
    from hvqcgic.sweep.study import claim_folder, open_study
    from hvqcgic.sweep.trial import TrialRun
    from hvqcgic.sweep.worker import Worker

    request = read_request(options)
    check_points(request)
    with opened_storage(options.storage or _own_file(request.folder), request.heartbeat_s) as storage:
        sampler = SeededByTrial(options.seed, options.random_trials)
        study = open_study(storage, options.study, request.objectives, request.settings(), sampler=sampler)
        claim_folder(study, request.folder)
        pictures = prepare_pictures(request)
        with sweep_bar(request.trials) as bar:
            trial_run = TrialRun(request, pictures, storage, bar.say)
            found = Worker(study, storage, trial_run, told=lambda places: _tell(bar, places)).work()
        outcome = collect(study, found, request)
    notes = write_outcome(request.folder, outcome, pictures)
    _print(outcome, request.folder, as_json=options.json)
    for line in (*(f"trial {number} failed: {why}" for number, why in outcome.failed.items()), *notes):
        complain(line)
    return 0 if outcome.trials else NOTHING_FOUND


def main(arguments: list[str] | None = None) -> int:
    """Exit code: see the module."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, _terminate)
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        from hvqcgic.sweep.quiet import quiet_optuna

        with plain_warnings(), quiet_optuna():
            return run(options)
    except ArgumentError as error:
        complain(f"{error} (see python -m hvqcgic.sweep --help)")
        return USAGE
    except HvqcgicError as error:
        complain(error)
        return USAGE
    except BrokenPipeError:
        # Whoever read the outcome has had enough of it.
        return NOTHING_FOUND
    except KeyboardInterrupt as error:
        complain("interrupted; trials that are done are kept, the same command goes on")
        return TERMINATED if isinstance(error, _Terminated) else INTERRUPTED
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _own_file(folder: Path) -> str:
    """The storage of a sweep on one machine.

    Raises:
        OutputError: its folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {reason(error)}; name another --out") from error
    return f"sqlite:///{folder / 'study.db'}"


def _tell(bar: SweepBar, found: Sequence[Place]) -> None:
    done = [place for place in found if place.done]
    running = sum(place.last.state.name == "RUNNING" for place in found)
    measured = sum(place.last.values is not None for place in done)
    bar.done(len(done), f"{measured} measured, {running} at work")


def _print(outcome: Outcome, folder: Path, *, as_json: bool) -> None:
    """The outcome for people, or for machines."""
    from hvqcgic.sweep import report

    if as_json:
        say_json(report.as_json(outcome))
        return
    _show(report.front_table(outcome))
    if outcome.importances:
        _show(report.importance_table(outcome))
    counts = f"{len(outcome.trials)} trials measured, {outcome.pruned} pruned, {len(outcome.failed)} failed"
    say(f"{counts}, {outcome.retried} attempts done again; everything is in {folder}")


def _show(table: Table) -> None:
    """Print a table as wide as the terminal, or as wide as it needs where there is none."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 160)
    with console.capture() as capture:
        console.print(table)
    say(capture.get().rstrip())


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise _Terminated
