"""`hvqcgic completion`: the completion of commands, options and files, for a shell to read."""

import argparse
from collections.abc import Iterator

SUMMARY = "print the completion of commands and options for a shell"
EXAMPLE = 'eval "$(hvqcgic completion bash)"'

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")
_FILES = ("IN", "FILE", "PICTURE", "DIR_OR_FILE", "NAME_OR_FILE", "MASK_OR_REGION")
"""Arguments that are completed with the names of files, by the word that stands for their value in the help."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("shell", choices=SHELLS, help="whose completion to print")


def run(arguments: argparse.Namespace) -> int:
    """Print the completion; return the exit code.

    Raises:
        MissingPackage: shtab is not installed.
    """
    from hvqcgic.cli.terminal import say
    from hvqcgic.extras import check_installed

    check_installed("hvqcgic completion", "shtab", extra="completion")
    import shtab

    from hvqcgic.cli.console import build_parser

    parser = build_parser()
    for action in _actions(parser):
        if isinstance(action, argparse._SubParsersAction):
            action.help = None  # the help hides it, as it has an overview of the commands instead
        if action.metavar in _FILES:
            action.complete = shtab.FILE  # pyright: ignore[reportAttributeAccessIssue] - as shtab documents it
    say(shtab.complete(parser, arguments.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """All arguments of a parser and of its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
