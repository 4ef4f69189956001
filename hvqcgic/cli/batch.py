"""Processing of several files: a failed file is named, the others are processed, the report keeps their order."""

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
    """JSON facts about a picture and its `.hvq` file of n_bytes bytes."""
    return {
        "name": path.name,
        "output": str(output),
        "width": width,
        "height": height,
        "bytes": n_bytes,
        "bpp": 8 * n_bytes / (width * height),
    }


class Report:
    """Report each file at once and in order, as lines for people or as JSON lines for programs."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def done(self, path: Path, done: Done) -> str:
        """Report a file that was done or skipped; return a short status for the progress bar."""
        status = "skipped" if done.skipped else "done"
        self._tell(done.text, {"input": str(path), "status": status, **done.facts})
        return ""

    def failed(self, path: Path, message: str) -> None:
        """Report a failed file to programs; people see the failure on stderr."""
        self._tell("", {"input": str(path), "status": "failed", "error": message})

    def _tell(self, text: str, facts: dict[str, Any]) -> None:
        if self.as_json:
            say_json_line(facts)
        elif text:
            say(text)


@dataclass
class _Tally:
    """Counts of files so far.

    Attributes:
        total: all files.
        finished: files done or skipped, reported or not.
        reported: files reported as done, skipped or failed.
        failed: files reported as failed.
        crashed: failed files whose worker died.
    """

    total: int
    finished: int = 0
    reported: int = 0
    failed: int = 0
    crashed: int = 0

    def count(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.finished += outcome.done is not None

    def exit_code(self, n_problems: int) -> int:
        """Return the exit code of a batch that ran to its end."""
        if not self.failed + n_problems:
            return DONE
        if self.crashed:
            return CRASHED
        return SOME_FAILED if self.total + n_problems > 1 else USAGE


def run_batch(inputs: Inputs, work: Work, *, label: str, report: Report, jobs: int = 1, resumable: bool = False) -> int:
    """Process each input.

    Args:
        inputs: the files.
        work: processes one file; with several jobs, each worker process has a pickled copy.
        label: name of the work, for the progress bar.
        report: receives the result of each file, in the order of the inputs.
        jobs: number of worker processes; 1 does the work in this process.
        resumable: whether the command has --skip-existing, which is then named after an interruption.

    Returns:
        the exit code.

    Raises:
        ModelError: the model cannot be used, so no file can be processed.
        ConfigError: a setting cannot be used, for example the device.
        OutputError: no further file can be written, for example on a full disk.
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
    """Report one outcome; return a short status for the progress bar.

    Raises:
        Exception: the outcome's error, if it is final.
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
