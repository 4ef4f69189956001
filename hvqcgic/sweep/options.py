"""The options of `python -m hvqcgic.sweep`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt

from hvqcgic.cli import new_parser
from hvqcgic.errors import ConfigError
from hvqcgic.sweep.space import flatten

DEFAULT_CONFIG = "sweep"
"""Configuration of the package that a call without `--config` uses."""

SECTIONS = ("evaluate", "train")
"""Options that hold a search space."""


@dataclass(frozen=True)
class Pruning:
    """Rule for the early end of trainings.

    Attributes:
        dominated_by: number of other trainings that must be better in every objective at the same step; 0 never prunes.
        after: number of steps before a training can be pruned.
    """

    dominated_by: int = 2
    after: int = 0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ConfigError: one is below 0.
        """
        for name in ("dominated_by", "after"):
            if getattr(self, name) < 0:
                raise ConfigError(f"--prune.{name} is {getattr(self, name)}; use at least 0")


@dataclass(frozen=True)
class BestPoint:
    """A named operating point, selected from the trials of a sweep.

    Attributes:
        at: an objective.
        value: the wanted value of that objective.
        best: another objective; the trial with its best value is selected.
        within: largest relative distance of a trial from the value; if no trial is as near, the nearest is selected.
    """

    at: str
    value: float
    best: str
    within: float = 0.1


def parse(arguments: Sequence[str]) -> Namespace:
    """Parse the options; `--evaluate.NAME VALUE` and `--train.NAME VALUE` set single entries of these sections.

    Raises:
        ArgumentError: an option is unknown, or its value is not allowed.
        ConfigError: an entry has no value, or its value is not YAML.
    """
    rest: list[str] = []
    entries: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    named = any(argument.partition("=")[0] == "--config" for argument in arguments)
    left = iter(arguments if named else ["--config", DEFAULT_CONFIG, *arguments])
    for argument in left:
        name, equals, value = argument.partition("=")
        section, dot, entry = name.removeprefix("--").partition(".")
        if not (argument.startswith("--") and dot and section in entries):
            rest.append(argument)
            continue
        entries[section][entry] = _value(name, value if equals else next(left, None))
    options = build_parser().parse_args(rest)
    for section, found in entries.items():
        options[section] = flatten(options[section]) | found
    return options


def _value(name: str, text: str | None) -> Any:
    try:
        value = None if text is None else yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name} {text}: the value is no YAML; write {{low: L, high: H}} in quotes") from error
    if value is None:
        raise ConfigError(f"{name} has no value")
    return value


def build_parser() -> ArgumentParser:
    """Build the parser of all options; each option can also stand in a YAML file given with --config."""
    parser = new_parser(
        "hvqcgic.sweep",
        "Search operating points and short trainings for the best trade-off between several objectives. The same "
        "command on this or another machine adds a worker; with more --trials it continues a study. Without --config, "
        "the options are those of --config sweep: 12 trials, short joint trainings at four values of lambda.",
        example="sweep",
    )
    parser.add_argument("--trials", type=PositiveInt, default=12, help="number of trials of the study in all")
    _add_places(parser)
    _add_search(parser)
    parser.add_argument("--jobs", type=PositiveInt, default=1, help="processes of this worker that code pictures")
    parser.add_argument("--device", type=str, default="cpu", help="device of the evaluation: cpu, cuda, cuda:1 ...")
    parser.add_argument(
        "--heartbeat",
        type=PositiveInt,
        default=60,
        help="seconds between two heartbeats of a worker; after three missing ones another worker repeats its trial",
    )
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
    return parser


def _add_places(parser: ArgumentParser) -> None:
    """Add the options for pictures, output and storage."""
    parser.add_argument(
        "--pictures", type=str, nargs="+", default=[], help="pictures, or folders of pictures, that every trial codes"
    )
    parser.add_argument("--out", type=str, default="runs/sweep", metavar="DIR", help="folder for all output of a sweep")
    parser.add_argument(
        "--storage",
        type=str | None,
        default=None,
        metavar="URL",
        help="storage that the workers share: sqlite:///FILE on one machine (default: OUT/study.db), for several "
        "machines postgresql://USER@HOST/DATABASE, or journal:FILE on a shared disk",
    )
    parser.add_argument("--study", type=str, default="sweep", metavar="NAME", help="name of the study in the storage")


def _add_search(parser: ArgumentParser) -> None:
    """Add the options of the search."""
    parser.add_argument(
        "--objectives",
        type=list[str],
        default=["bpp", "lpips_alex"],
        help="at least two of bpp, encode_s, decode_s and the evaluator's metrics",
    )
    parser.add_argument(
        "--evaluate",
        type=dict[str, Any],
        default={"model": "tiny", "place": {"low": 0.1, "high": 0.9}, "eta": {"low": 0.0, "high": 0.5}},
        help="encoder options: each {low: L, high: H} (also log, step, whole), {choices: [...]} or a fixed value",
    )
    parser.add_argument(
        "--train",
        type=dict[str, Any],
        default={},
        help="options of python -m hvqcgic.train for the trials that train, in the same form",
    )
    parser.add_argument(
        "--train_share",
        type=float,
        default=0.0,
        help="share of the trials that train before they are evaluated, 0 to 1",
    )
    parser.add_class_arguments(Pruning, "prune")
    parser.add_argument(
        "--best", type=dict[str, BestPoint], default={}, help="named operating points to write to OUT/best"
    )
    parser.add_argument("--seed", type=NonNegativeInt, default=0, help="seed of the search")
    parser.add_argument(
        "--random_trials", type=PositiveInt, default=10, help="random trials before the search uses earlier results"
    )
