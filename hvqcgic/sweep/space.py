"""Search space of a sweep: ranges, choices and fixed values from a YAML file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import optuna

from hvqcgic.errors import ConfigError

_RANGE_KEYS = {"low", "high", "log", "step", "whole"}
_CHOICE_KEYS = {"choices"}


@dataclass(frozen=True)
class Range:
    """Numbers from low to high.

    Attributes:
        low: least value.
        high: largest value, above low.
        log: whether values are drawn uniformly on a logarithmic scale.
        step: distance between neighbouring values; None for any number.
        whole: whether values are whole numbers.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    def suggest(self, trial: optuna.Trial, name: str) -> float | int:
        """Return the number for a trial."""
        if self.whole:
            return trial.suggest_int(name, round(self.low), round(self.high), step=round(self.step or 1), log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)


@dataclass(frozen=True)
class Choice:
    """One of several values of any YAML type."""

    choices: tuple[Any, ...]

    def suggest(self, trial: optuna.Trial, name: str) -> Any:
        """Return the value for a trial."""
        coded = {_coded(choice): choice for choice in self.choices}
        return coded[trial.suggest_categorical(name, list(coded))]


@dataclass(frozen=True)
class Fixed:
    """One value for every trial."""

    value: Any

    def suggest(self, trial: optuna.Trial, name: str) -> Any:
        """Return the value."""
        return self.value


Entry = Range | Choice | Fixed
Space = dict[str, Entry]


def parse_space(section: str, given: Mapping[str, Any]) -> Space:
    """Parse a section of the configuration into entries by dotted names: `{a: {b: 1}}` is `{a.b: 1}`.

    Args:
        section: its name, for errors.
        given: `{low: L, high: H}` (also `log`, `step`, `whole`), `{choices: [...]}`, or any other, fixed value.
    Raises:
        ConfigError: a range or choice is malformed.
    """
    return {name: _entry(f"{section}.{name}", value) for name, value in flatten(given).items()}


def describe(space: Space) -> dict[str, Any]:
    """Return a search space as plain values, equal for equal spaces."""
    return {name: asdict(entry) for name, entry in space.items()}


def swept(space: Space) -> tuple[str, ...]:
    """Names of the entries that are not fixed."""
    return tuple(name for name, entry in space.items() if not isinstance(entry, Fixed))


def values_of(entry: Entry) -> tuple[Any, ...]:
    """Possible values of an entry: all of its choices, or both ends of a range."""
    if isinstance(entry, Fixed):
        return (entry.value,)
    return entry.choices if isinstance(entry, Choice) else _ends(entry)


def edges(space: Space) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the first and the last values of all entries, for a check before any trial."""
    ends: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for name, entry in space.items():
        ends[0][name], *_, ends[1][name] = values_of(entry) * 2
    return ends


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Convert dotted names to nested mappings, the form of YAML files for the training."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *groups, last = name.split(".")
        place = nested
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = value
    return nested


def flatten(given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Convert nested mappings to dotted names; ranges and choices stay whole."""
    flat: dict[str, Any] = {}
    for key, value in given.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and not set(value) & (_RANGE_KEYS | _CHOICE_KEYS):
            flat |= flatten(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def _ends(entry: Range) -> tuple[Any, Any]:
    return tuple(round(end) if entry.whole else end for end in (entry.low, entry.high))  # pyright: ignore[reportReturnType]


def _entry(name: str, value: Any) -> Entry:
    if not isinstance(value, Mapping):
        return Fixed(value)
    if set(value) == _CHOICE_KEYS and isinstance(value["choices"], list) and value["choices"]:
        return Choice(tuple(value["choices"]))
    numbers = [value.get(key) for key in ("low", "high")] + ([value["step"]] if "step" in value else [])
    if not set(value) <= _RANGE_KEYS or not all(_is_number(number) for number in numbers):
        raise ConfigError(
            f"{name} is {dict(value)}: give {{low: L, high: H}} with log, step, whole; {{choices: [A, B]}}; or a value"
        )
    found = Range(**value)
    if not found.low < found.high or (found.log and found.low <= 0) or (found.log and found.step is not None):
        raise ConfigError(f"{name} is {dict(value)}: low is to be below high, above 0 with log, and log has no step")
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _coded(value: Any) -> Any:
    """Return a choice in Optuna's form: Optuna's choices are scalars, so a list becomes its JSON."""
    return value if isinstance(value, str | int | float | None) else json.dumps(value)
