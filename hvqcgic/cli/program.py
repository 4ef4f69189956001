"""What programs with a parser of their own (`evaluate`, `sweep`, `scale`) do alike: options, and how they end."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jsonargparse import ActionConfigFile, ArgumentError, ArgumentParser, Namespace

from hvqcgic.cli.ending import run_to_end
from hvqcgic.cli.exit_codes import USAGE
from hvqcgic.cli.terminal import complain

CONFIGS = Path(__file__).parents[1] / "configs"
"""Configurations that come with the package; `--config NAME` reads NAME.yaml of them."""


def find_config(name_or_path: str) -> str:
    """The YAML file that `--config` names: a file by its path, or a configuration of the package by its name.

    Args:
        name_or_path: such as "tiny" or "mine.yaml".
    Returns:
        path of a file, or the argument itself where it is no name (options as YAML text, a path that does not exist).
    Raises:
        TypeError: there is no such file, and no configuration of this name; jsonargparse makes it an `ArgumentError`.
    """
    if Path(name_or_path).is_file() or Path(name_or_path).suffix or any(sign in name_or_path for sign in ":{\n"):
        return name_or_path
    known = {path.stem: path for path in sorted(CONFIGS.glob("*.yaml"))}
    if name_or_path in known:
        return str(known[name_or_path])
    near = difflib.get_close_matches(name_or_path, known, 1)
    guess = f"; did you mean {near[0]}?" if near else ""
    raise TypeError(f"configuration {name_or_path!r} is neither a file nor one of {', '.join(known)}{guess}")


class _NamedConfig(ActionConfigFile):
    """`--config` that also takes the name of a configuration of the package."""

    def __call__(self, parser: Any, cfg: Any, values: str, option_string: str | None = None) -> None:
        super().__call__(parser, cfg, find_config(values), option_string)


def new_parser(name: str, description: str, *, example: str = "") -> ArgumentParser:
    """A parser whose options can also stand in a YAML file; what is wrong with them is an `ArgumentError`.

    Args:
        name: of the program, as typed after `python -m`.
        description: what it does.
        example: name of a configuration of the package to look at, where there is one.
    """
    parser = ArgumentParser(prog=f"python -m {name}", description=description, exit_on_error=False)
    see = f", or the name of one of the package, such as {example}" if example else ""
    parser.add_argument("--config", action=_NamedConfig, help=f"YAML file with any of these options{see}")
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
