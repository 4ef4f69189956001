"""Common parts of programs with their own parser (`evaluate`, `sweep`, `scale`): options, errors, exit codes."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import (
    ActionConfigFile,  # pyright: ignore[reportPrivateImportUsage] - a documented name
    ArgumentError,
    ArgumentParser,
    Namespace,
)

from hvqcgic.cli.ending import run_to_end
from hvqcgic.cli.exit_codes import USAGE
from hvqcgic.cli.negative_values import join_negative_values
from hvqcgic.cli.terminal import complain

CONFIGS = Path(__file__).parents[1] / "configs"
"""Folder of the package's configurations; `--config NAME` reads NAME.yaml from it."""


def find_config(name_or_path: str) -> str:
    """Find the YAML file for `--config`: a path, or the name of a configuration of the package.

    Args:
        name_or_path: such as "tiny" or "mine.yaml".
    Returns:
        path of a file, or the argument itself if it is no name (options as YAML text, a path that does not exist).
    Raises:
        TypeError: there is no such file or configuration; jsonargparse makes it an `ArgumentError`.
    """
    # Options as text come first, because they are longer than the name of a file may be.
    if any(sign in name_or_path for sign in ":{\n") or Path(name_or_path).suffix or Path(name_or_path).is_file():
        return name_or_path
    known = {path.stem: path for path in sorted(CONFIGS.glob("*.yaml"))}
    if name_or_path in known:
        return str(known[name_or_path])
    near = difflib.get_close_matches(name_or_path, known, 1)
    guess = f"; did you mean {near[0]}?" if near else ""
    raise TypeError(f"configuration {name_or_path!r} is neither a file nor one of {', '.join(known)}{guess}")


class _Parser(ArgumentParser):
    """A parser that takes negative numbers of every form as values of options."""

    def parse_args(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> Namespace:
        """Parse the arguments, by default those of the process."""
        return super().parse_args(join_negative_values(sys.argv[1:] if args is None else args), *more, **options)


class _NamedConfig(ActionConfigFile):
    """A `--config` action that also accepts the name of a configuration of the package."""

    def __call__(self, parser: Any, cfg: Any, values: str, option_string: str | None = None) -> None:
        super().__call__(parser, cfg, find_config(values), option_string)


def new_parser(name: str, description: str, *, example: str = "") -> ArgumentParser:
    """Create a parser whose options can also stand in a YAML file and whose errors are `ArgumentError`.

    Args:
        name: of the program, as typed after `python -m`.
        description: of the program.
        example: name of a configuration of the package that the help text refers to; "" for none.
    """
    parser = _Parser(prog=f"python -m {name}", description=description, exit_on_error=False)
    see = f", or the name of one of the package, such as {example}" if example else ""
    parser.add_argument("--config", action=_NamedConfig, help=f"YAML file with any of these options{see}")
    return parser


def run_program(name: str, parse: Callable[[], Namespace], run: Callable[[Namespace], int], *, kept: str) -> int:
    """Parse the options and run the program; print one line if an error or a signal ends it.

    Args:
        name: of the program, as typed after `python -m`.
        parse: returns the options.
        run: returns the exit code.
        kept: results that an interruption leaves, for example "rows that are done".
    Returns:
        the exit code, see `run_to_end`.
    """

    def work() -> int:
        try:
            return run(parse())
        except ArgumentError as error:
            complain(f"{error} (see python -m {name} --help)")
            return USAGE

    return run_to_end(work, lambda error: f"interrupted; {kept} are kept, the same command goes on")
