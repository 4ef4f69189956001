"""Helpers for integers: rounding to a grid, and the smallest type that holds an array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hvqcgic.errors import ModelError


def smallest_integers(values: ArrayLike, bits: int, name: str) -> NDArray[Any]:
    """Round to multiples of 2^-bits; return the multiples in the smallest signed type that holds them.

    Args:
        values: any shape, real numbers.
        bits: fractional bits, 0 for values that are integers already.
        name: name of the values, for the error.

    Raises:
        ModelError: a value is not finite, or too large for 53 bits.
    """
    scaled = np.round(np.asarray(values, np.float64) * 2.0**bits)
    if not np.all(np.abs(scaled) < 2.0**53):
        raise ModelError(f"{name} holds a value that is not finite or exceeds 2^{53 - bits}; it cannot be frozen")
    return shrink(scaled.astype(np.int64))


def shrink(values: NDArray[Any]) -> NDArray[Any]:
    """Convert integers to the smallest signed type that holds all of them."""
    for kind in (np.int8, np.int16, np.int32):
        limits = np.iinfo(kind)
        if values.size == 0 or (values.min() >= limits.min and values.max() <= limits.max):
            return values.astype(kind)
    return values.astype(np.int64)
