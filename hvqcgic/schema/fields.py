"""Frozen dataclasses that declare what they may hold, and the check that they do.

The annotation of a field is its type: bool, int, float, str, Literal, tuple, a mapping from names, another such
dataclass, any other class, Any, or one of these or None. `number` declares a range, also of the numbers in a tuple; all
other numbers are at least 0. Every such dataclass calls `check` as it is made, and `build` makes one from a mapping.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import reprlib
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from hvqcgic.errors import ConfigError

Record = TypeVar("Record")

LONGEST_TEXT = 200
LONGEST_LIST = 64
LONGEST_SHOWN = 60


@dataclasses.dataclass(frozen=True)
class Limits:
    """Range of a field's numbers, both ends included, and the option's name where it is not that of the field."""

    low: float = 0.0
    high: float = math.inf
    called: str | None = None

    def __str__(self) -> str:
        """In words, for messages."""
        return f"at least {self.low:.10g}" if self.high == math.inf else f"{self.low:.10g} to {self.high:.10g}"


def number(
    default: Any = dataclasses.MISSING, *, low: float = 0.0, high: float = math.inf, called: str | None = None
) -> Any:
    """Declare a field with a range, both ends included.

    Args:
        default: of the field; none if it must be given.
        low: smallest number.
        high: largest number.
        called: name in messages, where it is not that of the field.
    """
    return dataclasses.field(default=default, metadata={"limits": Limits(low, high, called)})


def shown(value: object) -> str:
    """A value in a message: in one line, and cut where it is long."""
    if isinstance(value, float):
        return str(value)
    if isinstance(value, int) and abs(value) >= 10**LONGEST_SHOWN:
        return "a number of many digits"
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxlong, _SHORT.maxother = 2, LONGEST_SHOWN, LONGEST_SHOWN, LONGEST_SHOWN


def check(record: Any, label: str) -> None:
    """Raise `ConfigError`, naming the field, unless every field of a dataclass holds what it declares.

    Args:
        record: of a dataclass, just made.
        label: what stands before the names of its fields in messages, such as `model.entropy`.
    """
    for name, hint, limits in _declared(type(record)):
        _fit(getattr(record, name), hint, limits, limits.called or f"{label}.{name}")


def build(kind: type[Record], values: Any, label: str) -> Record:
    """Make a dataclass of a mapping, with lists for tuples and mappings for dataclasses inside.

    Args:
        kind: the dataclass; an instance of it is returned as it is.
        values: from a file.
        label: as in `check`.
    Raises:
        ConfigError: a field is unknown, missing, or of another type or range; the message names the field.
    """
    if isinstance(values, kind):
        return values
    if not isinstance(values, Mapping):
        raise ConfigError(f"{label} is {shown(values)}; use a mapping of its fields")
    declared = {name: (hint, limits) for name, hint, limits in _declared(kind)}
    for key in values:
        if key not in declared:
            raise ConfigError(_unknown(kind, str(key), list(declared)))
    needed = {field.name for field in dataclasses.fields(cast(Any, kind)) if _is_needed(field)}
    if missing := sorted(needed - set(values)):
        raise ConfigError(f"{label}.{missing[0]} is missing")
    return kind(**{key: _made(value, declared[key][0], f"{label}.{key}") for key, value in values.items()})


def _unknown(kind: type, key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key[:LONGEST_TEXT], known, n=1)
    guess = f" (did you mean {close[0]}?)" if close else ""
    return f"{kind.__name__}: unknown field {shown(key)}{guess}; known are {', '.join(sorted(known))}"


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


@cache
def _declared(kind: type) -> tuple[tuple[str, Any, Limits], ...]:
    """Name, type and limits of each field."""
    hints = get_type_hints(kind)
    fields = dataclasses.fields(cast(Any, kind))
    return tuple((field.name, hints[field.name], field.metadata.get("limits", Limits())) for field in fields)


def _alternative(hint: Any) -> tuple[Any, bool]:
    """A type without its None, and whether it had one."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    (own,) = (each for each in get_args(hint) if each is not type(None))
    return own, True


def _items(hint: Any, count: int) -> tuple[Any, ...] | None:
    """Types of a tuple's items; None where the tuple cannot have so many."""
    inner = get_args(hint)
    if len(inner) == 2 and inner[1] is Ellipsis:
        return (inner[0],) * count if count <= LONGEST_LIST else None
    return inner if len(inner) == count else None


def _made(value: Any, hint: Any, name: str) -> Any:
    """Lists to tuples and mappings to dataclasses, where the type says so; all else as it is."""
    hint, _ = _alternative(hint)
    if dataclasses.is_dataclass(hint) and value is not None:
        return build(cast(type, hint), value, name)
    if get_origin(hint) is tuple and isinstance(value, (list, tuple)):
        kinds = _items(hint, len(value))
        return tuple(value) if kinds is None else tuple(_made(v, k, name) for v, k in zip(value, kinds, strict=True))
    if get_origin(hint) is dict and isinstance(value, Mapping):
        return {key: _made(part, get_args(hint)[1], f"{name}.{shown(key)}") for key, part in value.items()}
    return value


def _fit(value: Any, hint: Any, limits: Limits, name: str) -> None:
    """Raise ConfigError unless a value is of a type and within limits."""
    hint, may_be_none = _alternative(hint)
    if hint is Any or (value is None and may_be_none):
        return
    origin = get_origin(hint)
    if origin is tuple:
        parts = cast("tuple[Any, ...]", value) if isinstance(value, (list, tuple)) else ()
        kinds = _items(hint, len(parts))
        if kinds is None or not isinstance(value, (list, tuple)):
            size = f"{len(get_args(hint))} values" if Ellipsis not in get_args(hint) else f"up to {LONGEST_LIST} values"
            raise ConfigError(f"{name} is {shown(value)}; use a list of {size}")
        for part, kind in zip(parts, kinds, strict=True):
            _fit(part, kind, limits, name)
    elif origin is dict:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ConfigError(f"{name} is {shown(value)}; use a mapping from names")
        for key, part in value.items():
            _fit(part, get_args(hint)[1], limits, f"{name}.{shown(key)}")
    elif origin is Literal:
        if not any(value == choice and type(value) is type(choice) for choice in get_args(hint)):
            raise ConfigError(f"{name} is {shown(value)}; use one of {', '.join(map(str, get_args(hint)))}")
    else:
        _fit_plain(value, hint, limits, name)


def _fit_plain(value: Any, hint: Any, limits: Limits, name: str) -> None:
    """`_fit` of a number, text or dataclass."""
    if hint in (int, float):
        taken = (int,) if hint is int else (int, float)
        if not isinstance(value, taken) or isinstance(value, bool):
            raise ConfigError(f"{name} is {shown(value)}; use a {'whole ' * (hint is int)}number, {limits}")
        # Integers first: one of many digits is no float.
        finite = isinstance(value, int) or math.isfinite(value)
        if not (finite and limits.low <= value <= limits.high):
            raise ConfigError(f"{name} is {shown(value)}; use {'' if finite else 'a finite number of '}{limits}")
    elif hint is str:
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT or not value.isprintable():
            raise ConfigError(f"{name} is {shown(value)}; use 1 to {LONGEST_TEXT} printable characters")
    elif not isinstance(value, hint):
        kind = "a mapping of its fields" if dataclasses.is_dataclass(hint) else f"a {hint.__name__}"
        words = "true or false" if hint is bool else kind
        raise ConfigError(f"{name} is {shown(value)}; use {words}")
