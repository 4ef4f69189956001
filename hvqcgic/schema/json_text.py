"""JSON of files that anybody may have written: parsed, or refused in one line."""

from __future__ import annotations

import json
from typing import Any

from hvqcgic.errors import ConfigError

MOST_DEPTH = 32
"""Largest nesting of accepted JSON; files of this project have less than eight."""


def parse_json(text: str | bytes, label: str) -> Any:
    """Parse JSON of bounded depth.

    Args:
        text: JSON; bytes are UTF-8.
        label: what it is, for messages.
    Raises:
        ConfigError: it is no JSON, is nested more than MOST_DEPTH deep, or holds text that no encoding can write.
    """
    try:
        value = json.loads(text)
        _check_parts(value)
    except RecursionError as error:
        raise ConfigError(f"{label} is nested more than {MOST_DEPTH} deep") from error
    except ValueError as error:
        raise ConfigError(f"{label} is not JSON that can be read ({error})") from error
    return value


def _check_parts(value: Any) -> None:
    """Raise RecursionError for deep values, UnicodeEncodeError for halves of characters."""
    level, depth = [value], 0
    while level:
        if depth > MOST_DEPTH:
            raise RecursionError
        following: list[Any] = []
        for part in level:
            if isinstance(part, dict):
                following += [*part.keys(), *part.values()]
            elif isinstance(part, list):
                following += part
            elif isinstance(part, str):
                part.encode()
        level, depth = following, depth + 1
