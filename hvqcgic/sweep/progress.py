"""Progress display of a sweep: a bar with the time left, the findings so far, and the current trial."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class SweepBar:
    """A bar over all trials of a study, including those of other workers; invisible without a terminal."""

    def __init__(self, bar: Any, task: Any) -> None:
        """Use a bar of rich, or none."""
        self._bar, self._task = bar, task

    def done(self, count: int, found: str) -> None:
        """Show the number of finished trials and the findings so far."""
        if self._bar is not None:
            self._bar.update(self._task, completed=count, found=found)

    def say(self, words: str) -> None:
        """Show the status of the current trial."""
        if self._bar is not None:
            self._bar.update(self._task, words=words)


@contextmanager
def sweep_bar(total: int) -> Iterator[SweepBar]:
    """Show a bar on stderr if stderr is a terminal.

    Args:
        total: trials of the study.
    """
    if not sys.stderr.isatty():
        yield SweepBar(None, None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = ("sweep", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    texts = (TextColumn("{task.fields[found]}"), TextColumn("{task.fields[words]}"))
    with Progress(*columns, *texts, console=Console(stderr=True), redirect_stdout=False) as progress:
        yield SweepBar(progress, progress.add_task("sweep", total=total, found="", words=""))
