"""Doing the same to several files: a bad one is named, the others are done, and the report keeps their order."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hvqcgic.cli.attempt import Done, Outcome, Work, attempt, message_of
from hvqcgic.cli.exit_codes import CRASHED, DONE, SOME_FAILED, USAGE
from hvqcgic.cli.terminal import complain, progress_bar, say, say_json_line
from hvqcgic.cli.workers import Crew
from hvqcgic.errors import WorkerDied
from hvqcgic.files import Inputs


def file_facts(path: Path, output: Path, *, width: int, height: int, n_bytes: int) -> dict[str, Any]:
    """What machines are told of every picture and its stream; n_bytes is the stream's size."""
    return {
        "name": path.name,
        "output": str(output),
        "width": width,
        "height": height,
        "bytes": n_bytes,
        "bpp": 8 * n_bytes / (width * height),
    }


class Report:
    """Tells what became of each file, at once and in order: lines for people, or JSON lines for machines."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def done(self, path: Path, done: Done) -> str:
        """Tell of a file that was done or skipped; return a few words on how it goes, for the progress bar."""
        status = "skipped" if done.skipped else "done"
        self._tell(done.text, {"input": str(path), "status": status, **done.facts})
        return ""

    def failed(self, path: Path, message: str) -> None:
        """Tell of a file that could not be done; a person has been told on stderr."""
        self._tell("", {"input": str(path), "status": "failed", "error": message})

    def _tell(self, text: str, facts: dict[str, Any]) -> None:
        if self.as_json:
            say_json_line(facts)
        elif text:
            say(text)


@dataclass
class _Tally:
    """How it goes so far.

    Attributes:
        total: how many files there are.
        finished: done or skipped, reported or not yet.
        reported: done, skipped or failed.
        failed: of those reported.
        crashed: of the failed ones, those whose worker died.
    """

    total: int
    finished: int = 0
    reported: int = 0
    failed: int = 0
    crashed: int = 0

    def count(self, outcome: Outcome) -> None:
        """Take note of what has come back."""
        self.finished += outcome.done is not None

    def exit_code(self, n_problems: int) -> int:
        """The exit code of a batch that came to its end."""
        if not self.failed + n_problems:
            return DONE
        if self.crashed:
            return CRASHED
        return SOME_FAILED if self.total + n_problems > 1 else USAGE


def run_batch(inputs: Inputs, work: Work, *, label: str, report: Report, jobs: int = 1, resumable: bool = False) -> int:
    """Work on each input.

    Args:
        inputs: what to work on.
        work: does one input; with several jobs it is pickled, and each worker process has its own.
        label: what is being done, for the progress bar.
        report: told of each file, in the order of the inputs.
        jobs: how many worker processes; the work is done in this one if 1.
        resumable: whether the command has --skip-existing, so that it is named when the batch is interrupted.

    Returns:
        the exit code.

    Raises:
        ModelError: the model cannot be used, so no file can be done.
        ConfigError: a setting, the device for example, cannot be used.
        OutputError: the disk is full, for example, so that further files cannot be written either.
        WorkerDied: worker processes cannot be started.
    """
    for problem in inputs.problems:
        complain(problem)
    tally = _Tally(len(inputs.paths))
    outcomes = _outcomes(inputs, work, jobs=jobs, tally=tally)
    try:
        with closing(outcomes), progress_bar(label, len(inputs.paths)) as advance:
            for path, outcome in zip(inputs.paths, outcomes, strict=True):
                advance(_tell(path, outcome, report, tally))
    except BaseException as error:
        if resumable and tally.total > 1 and not isinstance(error, Exception):
            error.add_note(f"{tally.finished} of {tally.total} files are done, --skip-existing goes on with the others")
        raise
    return tally.exit_code(len(inputs.problems))


def _outcomes(inputs: Inputs, work: Work, *, jobs: int, tally: _Tally) -> Generator[Outcome, None, None]:
    if jobs > 1:
        yield from Crew(work, inputs.paths, size=jobs, count=tally.count).outcomes()
        return
    for path in inputs.paths:
        outcome = attempt(work, path)
        tally.count(outcome)
        yield outcome


def _tell(path: Path, outcome: Outcome, report: Report, tally: _Tally) -> str:
    """Report one outcome; return a few words for the progress bar.

    Raises:
        Exception: the outcome's error, where it is final.
    """
    for remark in outcome.remarks:
        complain(remark)
    if outcome.error is not None:
        if outcome.final:
            if tally.reported > tally.failed:
                complain(f"stopped after {tally.reported} of {tally.total} files")
            raise outcome.error
        tally.failed += 1
        tally.crashed += isinstance(outcome.error, WorkerDied)
        message = message_of(path, outcome.error)
        complain(message)
        report.failed(path, message)
    tally.reported += 1
    return report.done(path, outcome.done) if outcome.done else ""
