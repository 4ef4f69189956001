"""The index prior in integers: numbers of a cell to frequencies of all codes (design, sections 3 and 4).

Every form is one bilinear product, cost(i, k) = B_i · A_k, of integer tables:

    diagonal    sum_d π_d (c_kd - μ_d)²            B = [π, -2πμ, 1]        A = [c², c, -b]
    quadratic   (c_k - μ)ᵀ Λ (c_k - μ)             B = [Λ, -2Λμ, 1]        A = [c cᵀ, c, -b]
    learned     -sum_r A_kr r_r                    B = [-r, 1]             A = [A, -b]

less what is the same for all codes of a cell. Costs are bits on a fine integer grid. Less the row's least, cut to 1/64
bit and looked up in one table of round(2^24 · 2^(-j/64)), least 1, they are the frequencies that the range coder takes.
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
from hvqcgic.errors import ModelError

FORMS = ("diagonal", "quadratic", "learned")
LEVELS_PER_OCTAVE = 32
SIGMA_LEVELS = 256
LOG2_SIGMA_MIN = -5.0
MEAN_LIMIT = 8.0
STEPS_PER_BIT = 64
FREQUENCY_BITS = 24
BIAS_BITS = 16
FEATURE_BITS = 14
PRECISION_BITS = 14
"""Fractional bits of precisions 1 / (2 σ²), in bits."""
FACTOR_BITS = 10
"""Fractional bits of the Cholesky factor of the form "quadratic"."""
LARGEST_COST = 2.0**52
LARGEST_STEPS = 2.0**29
"""Costs in steps of 1/64 bit are cast to int32, differences of two such included."""


def parameter_count(form: str, code_width: int, rank: int) -> int:
    """P, how many numbers of a cell a form takes; rank is used by "learned" alone."""
    if form == "learned":
        return rank
    return 2 * code_width + (code_width * (code_width - 1) // 2 if form == "quadratic" else 0)


def freeze_prior(
    form: str,
    *,
    codebook: NDArray[np.float64],
    log_prior: NDArray[np.float64] | None,
    features: NDArray[np.float64] | None,
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Integer tables of the prior.

    Args:
        form: one of FORMS.
        codebook: (K, d).
        log_prior: b, (3, K), bits, order coarse, medium, fine; None for 0.
        features: A, (K, R), bits; for the form "learned".

    Returns:
        spec (JSON-able) and arrays ("prior.…"), for `IndexPrior`.

    Raises:
        ModelError: the form is unknown, or the codes spread too far for an exact product.
    """
    if form not in FORMS:
        raise ModelError(f"index prior {form!r} is unknown; choose {', '.join(FORMS)}")
    bias = np.zeros((len(GRANULARITIES), len(codebook))) if log_prior is None else log_prior
    arrays = {"prior.bias": smallest_integers(bias, BIAS_BITS, "prior.bias")}
    steps = np.arange(STEPS_PER_BIT * FREQUENCY_BITS + STEPS_PER_BIT + 1)
    curve = np.exp2(FREQUENCY_BITS - steps / STEPS_PER_BIT)
    arrays["prior.frequencies"] = shrink(np.maximum(np.round(curve), 1).astype(np.int64))
    if form == "learned":
        if features is None:
            raise ModelError("index prior 'learned' needs the features of the codes, (K, R)")
        arrays["prior.codes"] = smallest_integers(features, FEATURE_BITS, "prior.codes")
        return {"form": form, "code_bits": FEATURE_BITS}, arrays
    sigma = np.exp2(LOG2_SIGMA_MIN + np.arange(SIGMA_LEVELS) / LEVELS_PER_OCTAVE)
    if form == "diagonal":
        arrays["prior.scale"] = smallest_integers(0.5 * math.log2(math.e) / sigma**2, PRECISION_BITS, "prior.scale")
    else:
        arrays["prior.scale"] = smallest_integers(1 / sigma, FACTOR_BITS, "prior.scale")
    for code_bits in range(12, 7, -1):
        arrays["prior.codes"] = smallest_integers(codebook, code_bits, "prior.codes")
        spec = {"form": form, "code_bits": code_bits}
        with contextlib.suppress(ModelError):
            IndexPrior(spec, arrays, activation_bits=12)
            return spec, arrays
    raise ModelError(
        f"codebook values reach {np.abs(codebook).max():.3g}: too far for an exact prior of form {form!r}; train with "
        "--model.entropy.form learned, which does not depend on them, or with a smaller --lambda"
    )


class IndexPrior:
    """Frequencies of all K codes for each cell, from its P numbers.

    Args:
        spec: "form" and "code_bits", as `freeze_prior` writes.
        arrays: "prior.bias" (3, K), "prior.codes" (K, R), "prior.frequencies" (T,), "prior.scale" (256,).
        activation_bits: the numbers of a cell are multiples of 2^-activation_bits.

    Raises:
        ModelError: tables do not fit each other, or a cost could leave the exact range.
    """

    def __init__(self, spec: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], *, activation_bits: int) -> None:
        self.form = str(spec["form"])
        self.code_bits = int(spec["code_bits"])
        self.activation_bits = activation_bits
        codes, bias = _float64(arrays["prior.codes"]), _float64(arrays["prior.bias"])
        self.table = _float64(arrays["prior.frequencies"])
        if self.form not in FORMS or codes.ndim != 2 or bias.shape != (len(GRANULARITIES), len(codes)):
            raise ModelError(
                f"index prior {self.form!r}: codes {tuple(codes.shape)}, bias {tuple(bias.shape)} do not fit"
            )
        if self.table.ndim != 1 or not (1 <= self.table.min() and self.table.max() <= 2.0**30):
            raise ModelError("index prior: table of frequencies is damaged")
        self.codes, self.width = codes.shape
        self.scale = None if self.form == "learned" else _float64(arrays["prior.scale"])
        if self.scale is not None and self.scale.shape != (SIGMA_LEVELS,):
            raise ModelError(f"index prior: {self.scale.numel()} levels of sigma, expected {SIGMA_LEVELS}")
        if self.form == "learned":
            self.cost_bits = activation_bits + self.code_bits
        else:
            self.cost_bits = PRECISION_BITS + 2 * self.code_bits
        if self.cost_bits < BIAS_BITS:
            raise ModelError(f"index prior: {self.cost_bits} fractional bits of cost, at least {BIAS_BITS} are needed")
        features = self._code_terms(codes)
        self._tables = [torch.cat([features, -row[None]]) for row in bias]
        self._check_range()
        steps = 2.0 ** (math.log2(STEPS_PER_BIT) - self.cost_bits)
        self._tables = [table * steps for table in self._tables]

    @property
    def parameter_count(self) -> int:
        """P, how many numbers of a cell this prior takes."""
        return parameter_count(self.form, self.width, self.width)

    def chunks(self, parameters: Tensor, granularity: str) -> Iterator[FrequencyChunk]:
        """Frequencies of N cells, some at a time so that memory stays bounded.

        Args:
            parameters: (N, P) integers, float64, |r| at most 2^(activation_bits + 5).
            granularity: whose log-prior applies.
        """
        # The tables carry a power of two that turns costs into steps of 1/64 bit; it moves no digit.
        table = self._tables[GRANULARITIES.index(granularity)]
        return BilinearCosts(self._cell_terms(parameters), table, self.table).chunks()

    def _code_terms(self, codes: Tensor) -> Tensor:
        """A without the log-prior: (R, K)."""
        if self.form == "learned":
            return codes.t()
        if self.form == "diagonal":
            return torch.cat([codes**2, codes], 1).t()
        i, j = torch.tril_indices(self.width, self.width)
        return torch.cat([codes[:, i] * codes[:, j], codes], 1).t()

    def _cell_terms(self, parameters: Tensor) -> Tensor:
        """B, (N, R + 1)."""
        constant = parameters.new_full((len(parameters), 1), 2.0 ** (self.cost_bits - BIAS_BITS))
        if self.form == "learned":
            return torch.cat([-parameters, constant], 1)
        mean, scale, off = self._gaussian(parameters)
        if self.form == "diagonal":
            return torch.cat([scale, -2 * scale * mean, constant], 1)
        factor = torch.diag_embed(scale)
        i, j = torch.tril_indices(self.width, self.width, -1)
        factor[:, i, j] = off
        return torch.cat([*_quadratic_terms(factor, mean), constant], 1)

    def _gaussian(self, parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean (N, d) on the codes' grid; scale (N, d) from the table; off-diagonal factor (N, d(d-1)/2)."""
        d, unit = self.width, 2.0**-self.activation_bits
        values = parameters * unit
        mean = _round_to(values[:, :d].clamp(-MEAN_LIMIT, MEAN_LIMIT), self.code_bits)
        level = torch.floor((values[:, d : 2 * d] - LOG2_SIGMA_MIN) * LEVELS_PER_OCTAVE + 0.5)
        level = level.clamp_(0, SIGMA_LEVELS - 1).long()
        assert self.scale is not None
        off = _round_to(values[:, 2 * d :].clamp(-MEAN_LIMIT, MEAN_LIMIT), FACTOR_BITS)
        return mean, self.scale[level], off

    def _check_range(self) -> None:
        terms = self._largest_terms()
        largest = float(max((terms @ table.abs()).max() for table in self._tables))
        if not (largest <= LARGEST_COST and largest * STEPS_PER_BIT <= LARGEST_STEPS * 2.0**self.cost_bits):
            raise ModelError(
                f"index prior: costs may reach 2^{math.log2(largest):.1f} with {self.cost_bits} fractional bits; "
                "exact are 2^52; rescale the codes or their features"
            )

    def _largest_terms(self) -> Tensor:
        """Largest magnitude of each of B's columns, (R + 1,)."""
        constant = torch.tensor([2.0 ** (self.cost_bits - BIAS_BITS)], dtype=torch.float64)
        if self.form == "learned":
            return torch.cat([constant.new_full((self.width,), 2.0 ** (self.activation_bits + 5)), constant])
        assert self.scale is not None
        mean = constant.new_full((self.width,), MEAN_LIMIT * 2.0**self.code_bits)
        scale = constant.new_full((self.width,), float(self.scale.max()))
        if self.form == "diagonal":
            return torch.cat([scale, 2 * scale * mean, constant])
        factor = constant.new_full((self.width, self.width), MEAN_LIMIT * 2.0**FACTOR_BITS).tril(-1) + torch.diag(scale)
        square, linear = _quadratic_terms(factor[None], -mean[None])
        return torch.cat([square[0] + 2, linear[0] + 4 * self.width * mean, constant])


def _quadratic_terms(factor: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """The cell's side of the form "quadratic".

    Args:
        factor: L, (N, d, d) lower triangular, at 2^-FACTOR_BITS.
        mean: μ, (N, d).

    Returns:
        Λ of L Lᵀ log2(e) / 2 at 2^-PRECISION_BITS, its lower triangle with off-diagonal entries doubled, (N, d(d+1)/2);
        and -2Λμ, (N, d).
    """
    half_log2e = 47274.0  # round(2^16 log2(e) / 2)
    shift = 2.0 ** (PRECISION_BITS - 16 - 2 * FACTOR_BITS)
    precision = torch.floor(torch.bmm(factor, factor.transpose(1, 2)).mul_(half_log2e).mul_(shift).add_(0.5))
    i, j = torch.tril_indices(*factor.shape[1:])
    weight = 1.0 + (i != j).double()
    linear = torch.bmm(precision, mean[:, :, None])[:, :, 0].mul_(-2)
    return precision[:, i, j] * weight, linear


def _round_to(values: Tensor, bits: int) -> Tensor:
    """Multiples of 2^-bits nearest to the values, as integers."""
    return torch.floor(values * 2.0**bits + 0.5)


def _float64(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(values.astype(np.float64))
