"""What programs with a parser of their own (`evaluate`, `sweep`, `scale`) do alike: options, and how they end."""

from __future__ import annotations

from collections.abc import Callable

from jsonargparse import ArgumentError, ArgumentParser, Namespace

from hvqcgic.commands.ending import run_to_end
from hvqcgic.commands.exit_codes import USAGE
from hvqcgic.commands.terminal import complain


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
        that of `run`, or of what ended it, see `run_to_end`.
    """

    def work() -> int:
        try:
            return run(parse())
        except ArgumentError as error:
            complain(f"{error} (see python -m {name} --help)")
            return USAGE

    return run_to_end(work, lambda error: f"interrupted; {kept} are kept, the same command goes on")
