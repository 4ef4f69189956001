"""What programs with a parser of their own (`evaluate`, `sweep`, `scale`) do alike: signals, errors, exit codes."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from jsonargparse import ArgumentError, ArgumentParser, Namespace

from hvqcgic.commands.exit_codes import INTERRUPTED, SOME_FAILED, TERMINATED, USAGE
from hvqcgic.commands.terminal import complain, plain_warnings
from hvqcgic.errors import HvqcgicError


class Terminated(KeyboardInterrupt):
    """The process was asked to end."""


def new_parser(name: str, description: str, *, example: str = "") -> ArgumentParser:
    """A parser whose options can also stand in a YAML file; what is wrong with them is an `ArgumentError`.

    Args:
        name: of the program, as typed after `python -m`.
        description: what it does.
        example: path of such a file, where there is one.
    """
    parser = ArgumentParser(prog=f"python -m {name}", description=description, exit_on_error=False)
    see = f"; see {example}" if example else ""
    parser.add_argument("--config", action="config", help=f"YAML file with any of these options{see}")
    return parser


def run_program(name: str, parse: Callable[[], Namespace], run: Callable[[Namespace], int], *, kept: str) -> int:
    """Parses the options and runs what they ask for; what ends it early is one line.

    Args:
        name: of the program, as typed after `python -m`.
        parse: gives the options.
        run: gives the exit code.
        kept: what an interruption leaves, "rows that are done" for example.
    Returns:
        that of `run`; else 1 where nobody reads the results any more, 2 for bad input or usage, 130 interrupted, 143
        terminated.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, _terminate)
    try:
        options = parse()
        with plain_warnings():
            return run(options)
    except ArgumentError as error:
        complain(f"{error} (see python -m {name} --help)")
        return USAGE
    except HvqcgicError as error:
        complain(error)
        return USAGE
    except BrokenPipeError:
        # Whoever read the results has had enough of them.
        return SOME_FAILED
    except KeyboardInterrupt as error:
        complain(f"interrupted; {kept} are kept, the same command goes on")
        return interruption_code(error)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interruption_code(error: KeyboardInterrupt) -> int:
    """The exit code of a program that was interrupted, or terminated."""
    return TERMINATED if isinstance(error, Terminated) else INTERRUPTED


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
