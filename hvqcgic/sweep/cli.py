"""`python -m hvqcgic.sweep`: parse the options, run trials, write the Pareto front and the best operating points.

Exit codes: 0 done; 1 no trial could be measured; 2 bad input or usage; 130 interrupted; 143 terminated.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from hvqcgic.cli import complain, run_program, say, say_json, say_table
from hvqcgic.errors import OutputError
from hvqcgic.files import reason
from hvqcgic.sweep.options import parse
from hvqcgic.sweep.progress import SweepBar, sweep_bar

if TYPE_CHECKING:
    from hvqcgic.sweep.outcome import Outcome
    from hvqcgic.sweep.places import Place

NOTHING_FOUND = 1


def run(options: Namespace) -> int:
    """Take part in a sweep and write its outcome; return the exit code.

    Raises:
        HvqcgicError: options cannot be used, a storage cannot be reached, the study has other settings, or a folder
            cannot be written.
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
    """Run the program; return the exit code, see the module."""
    return run_program(
        "hvqcgic.sweep",
        lambda: parse(sys.argv[1:] if arguments is None else arguments),
        _run_quietly,
        kept="trials that are done",
    )


def _run_quietly(options: Namespace) -> int:
    from hvqcgic.sweep.quiet import quiet_optuna

    with quiet_optuna():
        return run(options)


def _own_file(folder: Path) -> str:
    """Default storage of a sweep on one machine.

    Raises:
        OutputError: its folder cannot be created.
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
    """Print the outcome for people or for programs."""
    from hvqcgic.sweep import report

    if as_json:
        say_json(report.as_json(outcome))
        return
    say_table(report.front_table(outcome), width=160)
    if outcome.importances:
        say_table(report.importance_table(outcome), width=160)
    counts = f"{len(outcome.trials)} trials measured, {outcome.pruned} pruned, {len(outcome.failed)} failed"
    say(f"{counts}, {outcome.retried} attempts done again; everything is in {folder}")
