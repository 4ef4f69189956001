"""The console command `hvqcgic`: parse the arguments, call a command, print errors as one line, return an exit code.

Exit codes: 0 done; 1 some of several files failed; 2 bad input or usage, or a worker process died; 130 interrupted;
143 terminated.
"""

import argparse
import sys
from collections.abc import Sequence

from hvqcgic import __version__
from hvqcgic.cli import compare, completion, compress, decompress, explore, info, models
from hvqcgic.cli.ending import Terminated, run_to_end
from hvqcgic.cli.help_text import Parser, bring_first, overview
from hvqcgic.cli.negative_values import join_negative_values

GROUPS = {
    "pictures to files and back": {"compress": compress, "decompress": decompress},
    "what is in a file, and what its coding saves": {"info": info, "compare": compare, "explore": explore},
    "about this program": {"models": models, "completion": completion},
}
"""Commands as `hvqcgic --help` shows them."""
COMMANDS = {name: module for commands in GROUPS.values() for name, module in commands.items()}
FIRST = {
    "compress": ("--output", "--quality", "--bpp", "--max-bytes", "--force"),
    "decompress": ("--output", "--format", "--quality", "--model", "--force"),
}
"""Options that most calls of a command need, which its help shows before all others."""
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


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    parser = Parser(
        prog="hvqcgic",
        usage="hvqcgic [-h] [--version] COMMAND ...",
        description="Generative image codec: photographs to small files that decode exactly on any machine.\n\n"
        + overview(GROUPS),
        epilog="hvqcgic COMMAND --help explains the options of a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"hvqcgic {__version__}")
    subparsers = parser.add_subparsers(
        dest="command", prog="hvqcgic", metavar="COMMAND", required=True, help=argparse.SUPPRESS
    )
    for name, module in COMMANDS.items():
        subparser = subparsers.add_parser(
            name,
            help=module.SUMMARY,
            description=f"{module.SUMMARY.capitalize()}.",
            epilog=f"example: {module.EXAMPLE}",
            allow_abbrev=False,
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
        if name in FIRST:
            subparser.usage = f"hvqcgic {name} IN [IN ...] -o DIR_OR_FILE [options]"
            bring_first(subparser, "options that most calls need", FIRST[name])
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
