"""Form `learned`: the Mahalanobis softmax in a learned embedding space with one sigma for all cells.

    log2 p(k) = sum_r A_kr r_r + const                     A: learned, (K, R); r: the P = R parameters of a cell

With one sigma the square of the mean is the same for all codes, and the square of the embedding belongs to the
log-prior, so only the product is left. The integer twin takes B = -r.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hvqcgic.index_priors.form import Form, Grid


class Learned(Form):
    """See the module."""

    name = "learned"
    embedding = "learned"
    code_bits = (14,)

    def parameter_count(self, width: int) -> int:
        """R."""
        return width

    def logits(self, parameters: Tensor, codes: Tensor) -> Tensor:
        """The product of the cell's numbers and the codes' features, in bits."""
        return parameters @ codes.t()

    def cost_bits(self, grid: Grid) -> int:
        """Of a number of a cell and a feature."""
        return grid.activation_bits + grid.code_bits

    def code_terms(self, codes: Tensor) -> Tensor:
        """The features."""
        return codes.t()

    def cell_terms(self, parameters: Tensor, grid: Grid) -> Tensor:
        """-r."""
        return -parameters

    def largest_terms(self, grid: Grid) -> Tensor:
        """The bound of what a context network gives."""
        return torch.full((grid.width,), 2.0 ** (grid.activation_bits + 5), dtype=torch.float64)
