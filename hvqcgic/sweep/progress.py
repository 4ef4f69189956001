"""What a sweep says on a terminal while it runs: a bar with the time left, what was found, and the trial at hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class SweepBar:
    """A bar over all trials of a study, those of other workers too; nothing where there is no terminal."""

    def __init__(self, bar: Any, task: Any) -> None:
        """Show on a bar of rich, or on none."""
        self._bar, self._task = bar, task

    def done(self, count: int, found: str) -> None:
        """Say how many trials of the study are done, and what is known so far."""
        if self._bar is not None:
            self._bar.update(self._task, completed=count, found=found)

    def say(self, words: str) -> None:
        """Say how the trial at hand goes."""
        if self._bar is not None:
            self._bar.update(self._task, words=words)


@contextmanager
def sweep_bar(total: int) -> Iterator[SweepBar]:
    """A bar on stderr where that is a terminal.

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
