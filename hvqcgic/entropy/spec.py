"""The JSON-able description of a frozen entropy model: what it may hold, beside its integer arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from hvqcgic.bitstream import parse_schedule
from hvqcgic.entropy.exact_layers import LayerSpec, Precision
from hvqcgic.errors import ModelError
from hvqcgic.index_priors import FormName
from hvqcgic.schema import check, number

MOST_NUMBERS = 1 << 28
"""Numbers of all arrays of an entropy model together; they are computed with in float64."""
LARGEST_INTEGER = 2**53
"""Integers up to here are exact in float64."""


@dataclass(frozen=True)
class PriorSpec:
    """The index prior: its form, and the fractional bits of its table of codes."""

    form: FormName
    code_bits: int = number(low=1, high=24)

    def __post_init__(self) -> None:
        """Raise `ConfigError` for values out of range."""
        check(self, "prior")


@dataclass(frozen=True)
class EntropySpec:
    """All but the arrays; `hvqcgic.entropy.freeze` says what the fields mean."""

    schedule: tuple[str, ...]
    prior: PriorSpec
    decoder_prior: bool
    networks: dict[str, tuple[LayerSpec, ...]]
    activation_bits: int = number(low=1, high=24)
    weight_bits: int = number(low=1, high=24)
    activation_limit: float = number(low=0.01, high=32)
    means_block_px: Literal[32, 64, 128] | None = None
    z_footprint: Literal[4, 8, 16, 32, 64] = 4

    def __post_init__(self) -> None:
        """Raise `ConfigError` for values out of range, and for what is no schedule."""
        check(self, "entropy")
        parse_schedule(self.schedule)

    @property
    def precision(self) -> Precision:
        """The integer grids of the networks."""
        return Precision(self.activation_bits, self.weight_bits, self.activation_limit)


def check_integers(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raise `ModelError` unless all arrays hold integers that float64 represents exactly.

    Sums of other numbers depend on their order, so that streams would not decode on every machine.
    """
    numbers = 0
    for name, array in arrays.items():
        if array.dtype.kind not in "iu" or array.size == 0:
            raise ModelError(f"{name} holds {array.size} numbers of type {array.dtype}; it must hold integers")
        if (
            array.dtype.itemsize == 8
            and not -LARGEST_INTEGER <= int(array.min()) <= int(array.max()) <= LARGEST_INTEGER
        ):
            raise ModelError(f"{name} holds integers beyond 2^53, which are not exact")
        numbers += array.size
    if numbers > MOST_NUMBERS:
        raise ModelError(f"{numbers} numbers in all tables; use 2^{MOST_NUMBERS.bit_length() - 1} or fewer")
