"""Output to the terminal or to other programs: results on stdout, everything else on stderr."""

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from hvqcgic.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table


def say(text: str) -> None:
    """Write a result to stdout at once.

    Raises:
        OutputError: stdout cannot be written, for example because its disk is full, or is closed.
        BrokenPipeError: the reader has closed stdout.
    """
    check_stdout()
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError as error:
        drop_output(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise
        raise OutputError(f"the standard output cannot be written: {error.strerror}") from error


def check_stdout() -> None:
    """Raise `OutputError` if the program was started with a closed stdout."""
    if sys.stdout is None:
        raise OutputError("the standard output is closed; redirect it, for example to /dev/null")


def check_working_folder() -> None:
    """Raise `ConfigError` if the working folder was removed, where relative paths and torch's libraries fail."""
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise ConfigError("the working folder was removed; change to one that is there (cd)") from error


def drop_output(file: TextIO | BinaryIO) -> None:
    """Redirect stdout or stderr to nowhere after a failed write; Python would fail again at exit."""
    descriptor = file.fileno()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def say_json(value: dict[str, Any]) -> None:
    """Write a result for programs to stdout."""
    say(json.dumps(value, indent=2, allow_nan=False))


def say_json_line(value: dict[str, Any]) -> None:
    """Write one of several results for programs to stdout, on its own line."""
    say(json.dumps(value, allow_nan=False))


def say_table(table: "Table", *, width: int = 250) -> None:
    """Write a table to stdout, as wide as the terminal, or up to `width` columns without a terminal."""
    from rich.console import Console

    check_stdout()
    console = Console(width=None if _is_terminal(sys.stdout) else width)
    with console.capture() as capture:
        console.print(table)
    say(capture.get().rstrip())


def complain(message: object) -> None:
    """Write a message to stderr as one line, without line breaks; to nowhere if stderr is closed or full."""
    from hvqcgic.files import one_line, printable

    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"hvqcgic: {printable(one_line([message]))}\n")
        sys.stderr.flush()
    except OSError:
        drop_output(sys.stderr)


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show each warning as one line without source code, including repeated warnings."""
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
    """Show a progress bar with the time left on stderr, if stderr is a terminal and there are several items.

    Args:
        label: name of the work.
        total: number of items.

    Yields:
        a function to call after each item, with a short status.
    """
    if total < 2 or not _is_terminal(sys.stderr):
        yield lambda note: None
        return
    with _make_progress() as progress:
        task = progress.add_task(label, total=total)
        yield lambda note: progress.update(task, advance=1, description=f"{label} {note}".rstrip())


@contextmanager
def step_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar for the steps of one item on stderr, if stderr is a terminal; the bar is removed at the end.

    Yields:
        a function to call with the number of finished steps and the number of all steps.
    """
    if not _is_terminal(sys.stderr):
        yield lambda done, total: None
        return
    with _make_progress(transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _is_terminal(file: TextIO | None) -> bool:
    return file is not None and file.isatty()


def _make_progress(*, transient: bool = False) -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Text for stdout may go through the bar's console only if stdout and stderr are the same terminal.
    redirect = _is_terminal(sys.stdout)
    return Progress(*columns, console=Console(stderr=True), redirect_stdout=redirect, transient=transient)
