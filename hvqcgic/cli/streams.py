"""Results on standard output: while bytes go there, all words go to standard error."""

import contextlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hvqcgic.cli.terminal import drop_output
from hvqcgic.errors import ConfigError, OutputError
from hvqcgic.files import STANDARD, is_pipe, name_of, printable, write_atomically

_results: list[BinaryIO] = []
"""Standard output as a binary file, while it takes a result."""


@contextmanager
def results_to_stdout(outputs: Iterable[Path]) -> Iterator[None]:
    """If a result goes to standard output, keep it for the result: all that is printed meanwhile goes to stderr."""
    if STANDARD not in outputs:
        yield
        return
    _results.append(sys.stdout.buffer)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _results.pop()


def write_result(path: Path, data: bytes, *, force: bool) -> None:
    """Write a result to its file, or to standard output within `results_to_stdout`.

    Raises:
        OutputError: it cannot be written; see `write_atomically`.
        BrokenPipeError: the reader of standard output or of a pipe is gone.
    """
    if path != STANDARD:
        write_atomically(path, data, force=force)
        return
    file = _results[-1]
    try:
        file.write(data)
        file.flush()
    except OSError as error:
        drop_output(file)
        if isinstance(error, BrokenPipeError):
            raise
        raise OutputError(f"standard output cannot be written ({len(data)} bytes): {error.strerror}") from error


def arrow(path: Path, output: Path) -> str:
    """The start of a line about one input and its result."""
    return printable(f"{name_of(path)} -> {name_of(output, result=True)}")


def check_once(paths: Iterable[Path], option: str, why: str) -> None:
    """Refuse an option that reads inputs twice, or compares their times, for a pipe.

    Args:
        paths: inputs and results.
        option: as on the command line.
        why: the rest of the sentence that starts with the option's name.

    Raises:
        ConfigError: one of the paths is standard input or output, a pipe or a device.
    """
    for path in paths:
        if is_pipe(path):
            raise ConfigError(f"{option} {why}, which {name_of(path)} does not allow; use files, or leave it out")
