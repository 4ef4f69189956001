"""Changes of valid inputs, for tools/fuzz.py: of bytes, of JSON values and of tensors."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

BYTES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
VALUES: tuple[Any, ...] = (
    *(0, 1, -1, 2, 3, 255, 2**31, 2**63, -(2**63), 10**7, 10**400),
    *(0.5, -0.0, 1e-320, 1e308, math.nan, math.inf, -math.inf, True, False, None),
    *("", "abc", "0", "a\nb", "\ud800", "x" * 10_000, [], {}, [[]], [0] * 1000, {"a": 1}),
)
"""What stands in for a value of JSON or of a checkpoint."""
NUMBERS = (0, 1, -1, 0.1, 127, -128, 2**15, 2**31 - 1, -(2**31), 2**40, 2**53 + 1, math.nan, math.inf, -math.inf, 65504)
"""What stands in for a number of a tensor."""
TYPES = ("int8", "uint8", "int16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "bool")


def change_bytes(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """One to four changes: flipped bits, replaced, lost, repeated and foreign bytes, a cut end."""
    found = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        place, length = random.randrange(len(found) + 1), random.choice((1, 1, 2, 4, 8, 64))
        operation = random.randrange(8)
        if operation <= 1 and place < len(found):
            found[place] ^= 1 << random.randrange(8)
        elif operation == 2:
            found[place : place + length] = bytes(random.choice(BYTES) for _ in range(length))
        elif operation == 3:
            found[place : place + length] = random.randbytes(length)
        elif operation == 4:
            del found[place : place + length]
        elif operation == 5:
            found[place:place] = found[place : place + length]
        elif operation == 6:
            other = random.choice(others)
            found[place:] = other[random.randrange(len(other) + 1) :]
        elif random.random() < 0.3:
            del found[place:]
    return bytes(found)


def change_value(random: Random, value: Any, *, depth: int = 0) -> Any:
    """One change of a JSON-able value: another value, a lost or new entry, or a change of a part."""
    inner = isinstance(value, (dict, list, tuple)) and len(value) > 0
    if not inner or (depth > 0 and random.random() < 0.2):
        if isinstance(value, int) and random.random() < 0.4:
            return random.choice((value + 1, value - 1, 2 * value, -value, value / 3))
        return copy.deepcopy(random.choice(VALUES))
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    key, operation = random.choice(keys), random.random()
    changed: dict[Any, Any] = dict(value) if isinstance(value, dict) else dict(enumerate(value))
    if operation < 0.8:
        changed[key] = change_value(random, changed[key], depth=depth + 1)
    elif operation < 0.86:
        del changed[key]
    elif operation < 0.92:
        changed[random.choice(("", "name", "widths", f"{key}x", 7))] = copy.deepcopy(random.choice(VALUES))
    else:
        changed[key] = changed[random.choice(keys)]
    return changed if isinstance(value, dict) else list(changed.values())


def change_text(random: Random, value: Any) -> str:
    """JSON of a changed value; at times nested too deep, or no JSON."""
    text = json.dumps(change_value(random, value))
    if random.random() < 0.02:
        depth = random.choice((20, 40, 900, 10_000, 100_000))
        return text.replace("1", "[" * depth + "]" * depth, 1)
    if random.random() < 0.05:
        return change_bytes(random, text.encode(), [b"[", b"NaN"]).decode("utf-8", "replace")
    return text


def change_tensors(random: Random, tensors: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """One change: numbers, type or shape of a tensor, its name, or its absence."""
    found = dict(tensors)
    name = random.choice(sorted(found))
    changes: Sequence[Callable[[NDArray[Any]], NDArray[Any]]] = (
        lambda array: array.astype(random.choice(TYPES)),
        lambda array: array + array.dtype.type(1),
        lambda array: array.astype(random.choice(("int64", "float32"))) * random.choice((-1, 2, 1000, 2**20)),
        lambda array: array + np.float32(0.1),
        lambda array: replaced(random, array),
        lambda array: replaced(random, array),
        lambda array: array[: random.randrange(len(array) + 1)] if array.ndim else array,
        lambda array: np.ascontiguousarray(array.T),
        lambda array: array.reshape(-1),
        lambda array: array[None],
        lambda array: np.concatenate([array, array]) if array.ndim else array,
        lambda array: found[random.choice(sorted(found))],
    )
    operation = random.randrange(len(changes) + 2)
    with np.errstate(all="ignore"):
        if operation < len(changes):
            found[name] = changes[operation](found[name])
        elif operation == len(changes):
            del found[name]
        else:
            found[random.choice((f"{name}x", "", name.partition(".")[0]))] = found.pop(name)
    return found


def replaced(random: Random, array: NDArray[Any]) -> NDArray[Any]:
    """One number, or all, replaced by another; integers keep their type where it can hold that, or become int64."""
    number = random.choice(NUMBERS)
    kind = array.dtype
    if kind.kind in "iu":
        whole = number == int(number) if math.isfinite(number) else False
        kind = np.dtype("int64" if whole else "float64")
    changed = array.astype(kind).reshape(-1)
    changed[slice(None) if random.random() < 0.2 else slice(0, 1)] = number
    return changed.reshape(array.shape)
