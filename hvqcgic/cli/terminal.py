"""Talking to the person or program at the other end: results on stdout, everything else on stderr."""

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from hvqcgic.errors import OutputError

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table


def say(text: str) -> None:
    """Write a result to stdout, at once.

    Raises:
        OutputError: stdout cannot take it, because the disk that it goes to is full for example.
        BrokenPipeError: nobody reads it any more.
    """
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError as error:
        _drop_stdout()
        if isinstance(error, BrokenPipeError):
            raise
        raise OutputError(f"the standard output cannot be written: {error.strerror}") from error


def _drop_stdout() -> None:
    """Let what stdout could not take go nowhere, or Python would try again, and complain, at its end."""
    descriptor = sys.stdout.fileno()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def say_json(value: dict[str, Any]) -> None:
    """Write a result for machines to stdout."""
    say(json.dumps(value, indent=2, allow_nan=False))


def say_json_line(value: dict[str, Any]) -> None:
    """Write one of several results for machines to stdout, on a line of its own."""
    say(json.dumps(value, allow_nan=False))


def say_table(table: "Table", *, width: int = 250) -> None:
    """Write a table to stdout, as wide as the terminal, or up to `width` columns where there is none."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else width)
    with console.capture() as capture:
        console.print(table)
    say(capture.get().rstrip())


def complain(message: object) -> None:
    """Write one line to stderr, whatever line breaks the message holds."""
    sys.stderr.write(f"hvqcgic: {' '.join(str(message).split())}\n")
    sys.stderr.flush()


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show each warning as one line without code, also where the same one came up before."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = _show_warning
        yield


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    complain(f"warning: {message}")


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[str], None]]:
    """Show a bar with the time left on stderr, where that is a terminal and there is more than one thing to do.

    Args:
        label: what is being done.
        total: how many things there are.

    Yields:
        a function to call after each thing, with a few words on how it goes so far.
    """
    if total < 2 or not sys.stderr.isatty():
        yield lambda note: None
        return
    with _make_progress() as progress:
        task = progress.add_task(label, total=total)
        yield lambda note: progress.update(task, advance=1, description=f"{label} {note}".rstrip())


@contextmanager
def step_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar for the steps of one thing on stderr, where that is a terminal; it is gone in the end.

    Yields:
        a function to call with how many steps are done, and how many there are.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    with _make_progress(transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _make_progress(*, transient: bool = False) -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Text for stdout may go through the bar's console only where both end on the same screen.
    redirect = sys.stdout.isatty()
    return Progress(*columns, console=Console(stderr=True), redirect_stdout=redirect, transient=transient)
