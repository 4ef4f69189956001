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

SECTIONS = ("evaluate", "train")
"""Options that are spaces."""


@dataclass(frozen=True)
class Pruning:
    """When trainings are ended early.

    Attributes:
        dominated_by: at least so many other trials must have been better in every objective at the same step; 0 never
            prunes.
        after: steps that every trial may take.
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
    """A named operating point that is taken from what a sweep found.

    Attributes:
        at: an objective.
        value: that it is to have.
        best: another objective, of which the best value is taken.
        within: how far from the value trials may be, as a share of it; where there is none, the nearest is taken.
    """

    at: str
    value: float
    best: str
    within: float = 0.1


def parse(arguments: Sequence[str]) -> Namespace:
    """The options; `--evaluate.NAME VALUE` and `--train.NAME VALUE` set single entries of these sections.

    Raises:
        ArgumentError: an option is unknown, or its value is none that it can have.
        ConfigError: an entry lacks its value, or that is no YAML.
    """
    rest: list[str] = []
    entries: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    left = iter(arguments)
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
    """All options; every one can also stand in a YAML file given with --config."""
    parser = new_parser(
        "hvqcgic.sweep",
        "Try operating points and short trainings for the best trade between several objectives. The same "
        "command on this or another machine joins in; with more --trials it goes on.",
        example="sweep",
    )
    parser.add_argument("--trials", type=PositiveInt, default=50, help="how many the study is to have in all")
    _add_places(parser)
    _add_search(parser)
    parser.add_argument("--jobs", type=PositiveInt, default=1, help="processes of this worker that code pictures")
    parser.add_argument("--device", type=str, default="cpu", help="where evaluation runs: cpu, cuda, cuda:1 ...")
    parser.add_argument(
        "--heartbeat",
        type=PositiveInt,
        default=60,
        help="seconds between two signs of life of a worker; after three that are missing its trial is done by another",
    )
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
    return parser


def _add_places(parser: ArgumentParser) -> None:
    """What goes in, and where results go."""
    parser.add_argument(
        "--pictures", type=str, nargs="+", default=[], help="pictures, or folders of pictures, that every trial codes"
    )
    parser.add_argument(
        "--out", type=str, default="runs/sweep", metavar="DIR", help="folder for everything a sweep leaves"
    )
    parser.add_argument(
        "--storage",
        type=str | None,
        default=None,
        metavar="URL",
        help="what the workers share: sqlite:///FILE on one machine (default: OUT/study.db), for several machines "
        "postgresql://USER@HOST/DATABASE, or journal:FILE on a disk that all of them see",
    )
    parser.add_argument("--study", type=str, default="sweep", metavar="NAME", help="name of the study in the storage")


def _add_search(parser: ArgumentParser) -> None:
    """What is tried, and what for."""
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
        help="what an encoder may choose: each {low: L, high: H} (also log, step, whole), {choices: [...]} or a value",
    )
    parser.add_argument(
        "--train",
        type=dict[str, Any],
        default={},
        help="options of python -m hvqcgic.train for the trials that train, likewise",
    )
    parser.add_argument(
        "--train_share",
        type=float,
        default=0.0,
        help="share of the trials that train before they are evaluated, 0 to 1",
    )
    parser.add_class_arguments(Pruning, "prune")
    parser.add_argument(
        "--best", type=dict[str, BestPoint], default={}, help="named operating points to put into OUT/best"
    )
    parser.add_argument("--seed", type=NonNegativeInt, default=0, help="of the search")
    parser.add_argument(
        "--random_trials", type=PositiveInt, default=10, help="trials drawn at random before the search learns"
    )
