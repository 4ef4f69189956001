"""What `--help` shows first: the commands by what they are for, and the few options that most calls need."""

import argparse
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import NoReturn

from hvqcgic.cli.terminal import complain

PROGRAMS = {
    "python -m hvqcgic.train": "trains a model, or trains a bundled one on",
    "python -m hvqcgic.export": "makes a model file from a checkpoint",
    "python -m hvqcgic.evaluate": "compares codecs: curves, BD-rates, a report",
    "python -m hvqcgic.sweep": "searches operating points and trainings",
    "python -m hvqcgic.scale": "codes or measures a million pictures on a cluster",
}
_INDENT = 13


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, without the usage text."""

    def error(self, message: str) -> NoReturn:
        """Print the line and end the program with exit code 2."""
        complain(f"{message} (see {self.prog} --help)")
        raise SystemExit(2)


def overview(groups: Mapping[str, Mapping[str, ModuleType]]) -> str:
    """The commands by group, each with its summary and an example; then the other programs."""
    lines: list[str] = []
    for title, commands in groups.items():
        lines += [f"{title}:"]
        for name, module in commands.items():
            lines += [f"  {name:<{_INDENT - 2}}{module.SUMMARY}", f"{'':{_INDENT}}$ {module.EXAMPLE}"]
        lines += [""]
    width = max(map(len, PROGRAMS)) + 2
    lines += ["programs of their own, each with --help:"]
    return "\n".join([*lines, *(f"  {name:<{width}}{what}" for name, what in PROGRAMS.items())])


def bring_first(parser: argparse.ArgumentParser, title: str, names: Sequence[str]) -> None:
    """Show some options of a parser in a group before all others; parsing stays the same.

    Args:
        parser: with all of its options.
        title: of the group.
        names: of the options, in the order to show them.
    """
    # argparse has no public way to move an option from one group to another.
    group, by_name = parser.add_argument_group(title), parser._option_string_actions
    parser._action_groups.remove(group)
    parser._action_groups.insert(1, group)
    for name in names:
        for other in parser._action_groups:
            if by_name[name] in other._group_actions:
                other._group_actions.remove(by_name[name])
        group._group_actions.append(by_name[name])
    parser._optionals.title = "other options"
