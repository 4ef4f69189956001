"""The console command `hvqcgic`: parses, calls a command, and turns what goes wrong into one line and an exit code.

Exit codes: 0 done; 1 some of several files failed; 2 bad input or usage, or a worker process died; 130 interrupted;
143 terminated.
"""

import argparse
import io
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from hvqcgic import __version__
from hvqcgic.cli import compare, compress, decompress, info, models
from hvqcgic.cli.ending import Terminated, run_to_end
from hvqcgic.cli.terminal import complain

COMMANDS = {
    "compress": compress,
    "decompress": decompress,
    "compare": compare,
    "info": info,
    "models": models,
}
MAY_SEEM_NEGATIVE = (
    *("--ratios", "--max-bytes", "--budget", "--per-image-max", "--roi"),
    *("--steps", "--randomness", "--seed"),
)


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, without the usage above it."""

    def error(self, message: str) -> NoReturn:
        complain(f"{message} (see {self.prog} --help)")
        raise SystemExit(2)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(
        prog="hvqcgic",
        description="Generative image codec: photographs to small files that decode exactly on any machine.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"hvqcgic {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        subparser = subparsers.add_parser(
            name, help=module.SUMMARY, description=module.SUMMARY.capitalize() + ".", allow_abbrev=False
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments, without the program's name; those of the process by default.

    Returns:
        the exit code.

    Raises:
        SystemExit: help or version was asked for (code 0), or the arguments do not parse (code 2).
    """
    arguments = build_parser().parse_args(join_negative_values(sys.argv[1:] if argv is None else argv))
    # A file name need not be text in the terminal's encoding.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    return run_to_end(lambda: arguments.run(arguments), _broken_off)


def join_negative_values(argv: Sequence[str]) -> list[str]:
    """Join options to a value that starts with a minus, which argparse would take for an option.

    Such a value is wrong, but what is said about it should be that it is negative.
    """
    joined: list[str] = []
    for argument in argv:
        if joined and joined[-1] in MAY_SEEM_NEGATIVE and re.match(r"-[\d.]", argument):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _broken_off(error: KeyboardInterrupt) -> str:
    """What to say of a command that was ended: what it has noted of its state goes with the error."""
    how = "terminated" if isinstance(error, Terminated) else "interrupted"
    return "; ".join([how, "every file that was written is complete", *getattr(error, "__notes__", ())])
