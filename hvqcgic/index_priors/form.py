"""What a form of the index prior is: one class with its floating-point formula and its integer twin.

Both twins compute log2 p(k | cell) of all K codes from P numbers of a cell, less what is the same for all codes, and
the log-prior b of the granularity is added outside. The integer twin writes the negative of it as one bilinear product,
cost(i, k) = B_i A_k, of integers, so that all machines compute the same costs.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Embedding = Literal["codebook", "learned"]
"""Where the embedding of a code comes from: its entry in the codebook, or learned numbers of its own."""

BITS_A_NAT = 1 / math.log(2)
MEAN_LIMIT = 8.0
"""Bound of predicted means, and of the off-diagonal entries of a precision's Cholesky factor."""
LOG2_SIGMA_MIN = -5.0
LEVELS_PER_OCTAVE = 32
SIGMA_LEVELS = 256
LOG2_SIGMA_MAX = LOG2_SIGMA_MIN + (SIGMA_LEVELS - 1) / LEVELS_PER_OCTAVE
"""Bounds of log2 sigma, so that a miss never costs without limit; the integer twin knows 256 levels of 1/32 octave."""


@dataclass(frozen=True)
class Grid:
    """The integer grids that a frozen index prior works on.

    Attributes:
        width: numbers of a code's embedding: d of the codebook, or R of a learned one.
        code_bits: fractional bits of the embedding.
        activation_bits: fractional bits of the P numbers of a cell.
        scale: (256,) integers in float64, the form's table over the levels of sigma; None where it has none.
    """

    width: int
    code_bits: int
    activation_bits: int
    scale: Tensor | None


class Form(ABC):
    """One form of the index prior. A new form is one file with a subclass, and one line in `FORMS`.

    Attributes:
        name: in configurations and model files.
        embedding: the only embedding of codes that the form takes, "codebook", (K, d), or "learned", (K, R); None where
            the configuration chooses.
        code_bits: fractional bits of the integer embedding of codes; the first that keeps all sums exact is taken.
        scale_bits: fractional bits of the table over the levels of sigma; 0 where the form has none.
    """

    name: ClassVar[str]
    embedding: ClassVar[Embedding | None] = None
    code_bits: ClassVar[tuple[int, ...]]
    scale_bits: ClassVar[int] = 0

    @abstractmethod
    def parameter_count(self, width: int) -> int:
        """P, the numbers that a context network predicts for a cell, of the width of the embedding of codes."""

    @abstractmethod
    def logits(self, parameters: Tensor, codes: Tensor) -> Tensor:
        """The floating-point twin: log2 p(k | cell) + const, without the log-prior.

        Args:
            parameters: (N, P).
            codes: the embedding of codes, (K, width).
        Returns:
            (N, K), in bits.
        """

    def scale(self) -> NDArray[np.float64] | None:
        """What the integer twin looks up for each level of sigma, (256,); None for nothing."""
        return None

    @abstractmethod
    def cost_bits(self, grid: Grid) -> int:
        """Fractional bits of the integer costs."""

    @abstractmethod
    def code_terms(self, codes: Tensor) -> Tensor:
        """A of the integer twin: (T, K) of the integer embedding of codes, (K, width), float64."""

    @abstractmethod
    def cell_terms(self, parameters: Tensor, grid: Grid) -> Tensor:
        """B of the integer twin: (N, T) integers of the P integers of each cell, (N, P), float64."""

    @abstractmethod
    def largest_terms(self, grid: Grid) -> Tensor:
        """Largest magnitude of each column of B, (T,), which proves that all sums are exact."""


def round_to(values: Tensor, bits: int) -> Tensor:
    """Multiples of 2^-bits nearest to the values, as integers."""
    return torch.floor(values * 2.0**bits + 0.5)


def sigma_levels() -> NDArray[np.float64]:
    """Sigma of each level, (256,)."""
    return np.exp2(LOG2_SIGMA_MIN + np.arange(SIGMA_LEVELS) / LEVELS_PER_OCTAVE)


def integer_mean(parameters: Tensor, grid: Grid) -> Tensor:
    """The predicted mean, the first `width` numbers of a cell, on the grid of the codes, (N, width)."""
    values = parameters[:, : grid.width] * 2.0**-grid.activation_bits
    return round_to(values.clamp(-MEAN_LIMIT, MEAN_LIMIT), grid.code_bits)


def integer_scale(parameters: Tensor, grid: Grid) -> Tensor:
    """What the table over sigma holds for the predicted log2 sigma, numbers `width` to 2 `width`, (N, width)."""
    values = parameters[:, grid.width : 2 * grid.width] * 2.0**-grid.activation_bits
    level = torch.floor((values - LOG2_SIGMA_MIN) * LEVELS_PER_OCTAVE + 0.5).clamp_(0, SIGMA_LEVELS - 1).long()
    assert grid.scale is not None
    return grid.scale[level]
