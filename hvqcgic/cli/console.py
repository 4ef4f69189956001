"""The console command `hvqcgic`: parse the arguments, call a command, print errors as one line, return an exit code.

Exit codes: 0 done; 1 some of several files failed; 2 bad input or usage, or a worker process died; 130 interrupted;
143 terminated.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from hvqcgic import __version__
from hvqcgic.cli import compare, compress, decompress, explore, info, models
from hvqcgic.cli.ending import Terminated, run_to_end
from hvqcgic.cli.negative_values import join_negative_values
from hvqcgic.cli.terminal import complain

COMMANDS = {
    "compress": compress,
    "decompress": decompress,
    "compare": compare,
    "explore": explore,
    "info": info,
    "models": models,
}
MAY_SEEM_NEGATIVE = (
    *(
        "--ratios",
        "--quality",
        "-q",
        "--bpp",
        "--eta",
        "--refine",
        "--max-bytes",
        "--budget",
        "--per-image-max",
        "--roi",
    ),
    *("--steps", "--randomness", "--seed"),
)


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, without the usage text."""

    def error(self, message: str) -> NoReturn:
        complain(f"{message} (see {self.prog} --help)")
        raise SystemExit(2)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
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
        argv: the arguments without the program's name; by default those of the process.

    Returns:
        the exit code.

    Raises:
        SystemExit: with code 0 for --help and --version, with code 2 for arguments that do not parse.
    """
    arguments = build_parser().parse_args(
        join_negative_values(sys.argv[1:] if argv is None else argv, MAY_SEEM_NEGATIVE)
    )
    return run_to_end(lambda: arguments.run(arguments), _broken_off)


def _broken_off(error: KeyboardInterrupt) -> str:
    """Message for an interrupted command, with the note on the command's progress that the error carries."""
    how = "terminated" if isinstance(error, Terminated) else "interrupted"
    return "; ".join([how, "every file that was written is complete", *getattr(error, "__notes__", ())])
