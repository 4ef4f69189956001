"""The index prior in integers: numbers of a cell to frequencies of all codes (design, sections 3 and 4).

Every form (`index_priors`) is one bilinear product of integer tables, cost(i, k) = B_i A_k. A last column takes off the
log-prior: [B, 1] [A, -b]. Costs are bits on a fine integer grid. The least cost of the row is subtracted; the rest is
cut to 1/64 bit and looked up in one table of round(2^24 * 2^(-j/64)), at least 1: frequencies for the range coder.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.entropy.frequency_chunks import BilinearCosts, FrequencyChunk
from hvqcgic.entropy.integers import shrink, smallest_integers
from hvqcgic.entropy.spec import PriorSpec
from hvqcgic.errors import ConfigError, ModelError
from hvqcgic.index_priors import Form, Grid, form_named
from hvqcgic.schema import build

STEPS_PER_BIT = 64
FREQUENCY_BITS = 24
BIAS_BITS = 16
LARGEST_COST = 2.0**52
LARGEST_STEPS = 2.0**29
"""Costs in steps of 1/64 bit are cast to int32, differences of two such included."""


def freeze_prior(
    form: str,
    *,
    codebook: NDArray[np.float64],
    log_prior: NDArray[np.float64] | None,
    features: NDArray[np.float64] | None,
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Integer tables of the prior.

    Args:
        form: name of one of `hvqcgic.index_priors.FORMS`.
        codebook: (K, d).
        log_prior: b, (3, K), bits, order coarse, medium, fine; None for 0.
        features: (K, R), bits; for forms that learn their table of codes.

    Returns:
        spec (JSON-able) and arrays ("prior.…"), for `IndexPrior`.

    Raises:
        ModelError: the form is unknown, or the codes spread too far for an exact product.
    """
    found = _find_form(form)
    bias = np.zeros((len(GRANULARITIES), len(codebook))) if log_prior is None else log_prior
    arrays = {"prior.bias": smallest_integers(bias, BIAS_BITS, "prior.bias")}
    steps = np.arange(STEPS_PER_BIT * FREQUENCY_BITS + STEPS_PER_BIT + 1)
    curve = np.exp2(FREQUENCY_BITS - steps / STEPS_PER_BIT)
    arrays["prior.frequencies"] = shrink(np.maximum(np.round(curve), 1).astype(np.int64))
    if found.embedding == "learned" and features is None:
        raise ModelError(f"index prior {form!r} needs the features of the codes, (K, R)")
    scale, codes = found.scale(), codebook if features is None else features
    if scale is not None:
        arrays["prior.scale"] = smallest_integers(scale, found.scale_bits, "prior.scale")
    for code_bits in found.code_bits:
        arrays["prior.codes"] = smallest_integers(codes, code_bits, "prior.codes")
        spec = {"form": form, "code_bits": code_bits}
        with contextlib.suppress(ModelError):
            IndexPrior(spec, arrays, activation_bits=12)
            return spec, arrays
    raise ModelError(
        f"{'codebook values' if features is None else 'features of codes'} reach {np.abs(codes).max():.3g}: too far "
        f"for an exact prior of form {form!r}; train with --model.entropy.form learned, or with a smaller --lambda"
    )


class IndexPrior:
    """Frequencies of all K codes for each cell, from its P numbers.

    Args:
        spec: form and fractional bits, also as `freeze_prior` writes them.
        arrays: "prior.bias" (3, K), "prior.codes" (K, width), "prior.frequencies" (T,), and "prior.scale" (256,) where
            the form has it.
        activation_bits: the numbers of a cell are multiples of 2^-activation_bits.

    Raises:
        ModelError: tables do not fit each other, or a cost could leave the exact range.
    """

    def __init__(
        self, spec: PriorSpec | Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], *, activation_bits: int
    ) -> None:
        try:
            checked = build(PriorSpec, spec, "prior")
        except ConfigError as error:
            raise ModelError(str(error)) from error
        self.form = form_named(checked.form)
        codes, bias = _float64(arrays["prior.codes"]), _float64(arrays["prior.bias"])
        self.table = _float64(arrays["prior.frequencies"])
        if codes.ndim != 2 or bias.shape != (len(GRANULARITIES), len(codes)):
            raise ModelError(
                f"index prior {self.form.name!r}: codes {tuple(codes.shape)}, bias {tuple(bias.shape)} do not fit"
            )
        if self.table.ndim != 1 or not (1 <= self.table.min() and self.table.max() <= 2.0**30):
            raise ModelError("index prior: table of frequencies is damaged")
        self.codes = len(codes)
        levels = self.form.scale()
        scale = None if levels is None else _float64(arrays["prior.scale"])
        if scale is not None and levels is not None and scale.shape != levels.shape:
            raise ModelError(f"index prior: {scale.numel()} levels of sigma, expected {levels.size}")
        if scale is not None and scale.min() < 0:
            raise ModelError(f"index prior: a level of sigma is {scale.min():.0f}, at least 0 is needed")
        self.grid = Grid(codes.shape[1], checked.code_bits, activation_bits, scale)
        self.cost_bits = self.form.cost_bits(self.grid)
        if self.cost_bits < BIAS_BITS:
            raise ModelError(f"index prior: {self.cost_bits} fractional bits of cost, at least {BIAS_BITS} are needed")
        self._constant = 2.0 ** (self.cost_bits - BIAS_BITS)
        terms = self.form.code_terms(codes)
        self._tables = [torch.cat([terms, -row[None]]) for row in bias]
        self._check_range()
        steps = 2.0 ** (math.log2(STEPS_PER_BIT) - self.cost_bits)
        self._tables = [table * steps for table in self._tables]

    @property
    def parameter_count(self) -> int:
        """P, how many numbers of a cell this prior takes."""
        return self.form.parameter_count(self.grid.width)

    def chunks(self, parameters: Tensor, granularity: str) -> Iterator[FrequencyChunk]:
        """Frequencies of N cells, some at a time so that memory stays bounded.

        Args:
            parameters: (N, P) integers, float64, |r| at most 2^(activation_bits + 5).
            granularity: whose log-prior applies.
        """
        # The tables carry a power of two that turns costs into steps of 1/64 bit; it moves no digit.
        table = self._tables[GRANULARITIES.index(granularity)]
        return BilinearCosts(self.cell_terms(parameters), table, self.table).chunks()

    def cell_terms(self, parameters: Tensor) -> Tensor:
        """[B, 1] of N cells, (N, T + 1) integers; parameters as of `chunks`."""
        constant = parameters.new_full((len(parameters), 1), self._constant)
        return torch.cat([self.form.cell_terms(parameters, self.grid), constant], 1)

    def _check_range(self) -> None:
        largest_terms = self.form.largest_terms(self.grid)
        terms = torch.cat([largest_terms, largest_terms.new_tensor([self._constant])])
        largest = float(max((terms @ table.abs()).max() for table in self._tables))
        if not (largest <= LARGEST_COST and largest * STEPS_PER_BIT <= LARGEST_STEPS * 2.0**self.cost_bits):
            raise ModelError(
                f"index prior: costs may reach 2^{math.log2(largest):.1f} with {self.cost_bits} fractional bits; "
                "exact are 2^52; rescale the codes or their features"
            )


def _find_form(name: str) -> Form:
    try:
        return form_named(name)
    except ConfigError as error:
        raise ModelError(str(error)) from error


def _float64(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(values.astype(np.float64))
