"""One codebook for all granularities: nearest code, straight-through gradient, moving-average update."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

CACHED = 1 << 19
"""Number of distances that fit a processor's cache."""
LARGE = 1 << 23
"""Number of distances that keep a GPU busy."""
FADED = 1e-6
"""Share of the mean use below which the averages of a code say nothing of it any more."""


@dataclass(frozen=True)
class Quantised:
    """Features and their codes.

    Attributes:
        y_hat: codes with the straight-through gradient, (N, d).
        indices: int64, (N,), in [0, K).
        commitment: mean squared distance from the features to their (fixed) codes, (N,).
    """

    y_hat: Tensor
    indices: Tensor
    commitment: Tensor


def squared_distances(y: Tensor, codebook: Tensor) -> Tensor:
    """Squared Euclidean distances of features to codes, less |y|^2 of each row.

    Args:
        y: (N, d).
        codebook: (K, d).
    Returns:
        (N, K).
    """
    return torch.addmm((codebook * codebook).sum(1), y, codebook.t(), alpha=-2)


def nearest_codes(y: Tensor, codebook: Tensor, chunk: int | None = None) -> Tensor:
    """Index of the nearest code; the lowest index on a tie.

    Args:
        y: features, (N, d).
        codebook: (K, d).
        chunk: distances in memory at once, at least a row of K; None for CACHED on a processor and LARGE on a GPU.
    Returns:
        int64, (N,).
    """
    if chunk is None:
        chunk = CACHED if y.device.type == "cpu" else LARGE
    rows_at_once = max(1, chunk // len(codebook))
    # Parts of about equal size: a short last part would be multiplied in another order of summation.
    parts = y.tensor_split(max(1, -(-len(y) // rows_at_once)))
    # Results of their own for each part would lie between the distances and keep their memory from being used again.
    found = torch.empty(len(y), dtype=torch.int64, device=y.device)
    first = 0
    for rows in parts:
        found[first : first + len(rows)] = _first_least(squared_distances(rows, codebook))
        first += len(rows)
    return found


def _first_least(values: Tensor) -> Tensor:
    """Place of the least value of each row, the first of equal ones, int64."""
    if values.device.type != "cpu":
        return values.argmin(1)
    # numpy takes an eighth of PyTorch's time.
    return torch.from_numpy(values.detach().float().numpy().argmin(1))


def straight_through(y: Tensor, codes: Tensor, indices: Tensor) -> Quantised:
    """Combine features (N, d) with their codes (N, d); the gradient passes straight through."""
    return Quantised(y + (codes - y).detach(), indices, ((y - codes) ** 2).mean(1))


class VectorQuantiser(nn.Module):
    """Codebook of K x d numbers with moving-average updates and revival of dead codes.

    Source: van den Oord et al. 2017 (codebook, straight-through); Razavi et al. 2019 (moving average); k-means
    initialisation and revival as in Zeghidour et al. 2021.
    """

    codebook: Tensor
    cluster_size: Tensor
    cluster_sum: Tensor
    usage: Tensor
    initialised: Tensor

    def __init__(self, codebook_size: int, code_width: int, *, decay: float = 0.99, revive_below: float = 0.05) -> None:
        """Create a codebook; `start` (k-means) or the weights of a file initialise it.

        Args:
            codebook_size: K.
            code_width: d.
            decay: of the moving averages, 0 to 1.
            revive_below: a code is dead below this share of the mean use; a revived code starts at four times this
                share. At 0 no code is revived, and those out of use stay where they are.
        """
        super().__init__()
        self.decay, self.revive_below = decay, revive_below
        self.register_buffer("codebook", torch.zeros(codebook_size, code_width))
        self.register_buffer("cluster_size", torch.ones(codebook_size))
        self.register_buffer("cluster_sum", torch.zeros(codebook_size, code_width))
        self.register_buffer("usage", torch.zeros(3, codebook_size))
        self.register_buffer("initialised", torch.tensor(False))

    def forward(self, y: Tensor) -> Quantised:
        """Replace each feature by its nearest code.

        Args:
            y: features, (N, d), float32.
        """
        indices = nearest_codes(y.detach(), self.codebook)
        return straight_through(y, self.codebook[indices], indices)

    @torch.no_grad()
    def start(self, y: Tensor, generator: torch.Generator, *, iterations: int = 10) -> None:
        """Initialise the codebook by k-means.

        Args:
            y: features, (N, d); with N < K some codes are equal.
            generator: source of the initial choice of features.
            iterations: rounds of k-means.
        """
        size = self.codebook.shape[0]
        codebook = y[_sample(len(y), size, generator)].clone()
        for _ in range(iterations):
            indices = nearest_codes(y, codebook)
            count = torch.bincount(indices, minlength=size).to(y.dtype)
            total = torch.zeros_like(codebook).index_add_(0, indices, y)
            empty = count == 0
            codebook = total / count.clamp(min=1)[:, None]
            codebook[empty] = y[_sample(len(y), int(empty.sum()), generator)]
        self.codebook.copy_(codebook)
        self.cluster_size.fill_(len(y) / size)
        self.cluster_sum.copy_(codebook * len(y) / size)
        self.initialised.fill_(True)

    @torch.no_grad()
    def update(self, y: Tensor, indices: Tensor, generator: torch.Generator) -> None:
        """Move codes towards their features, and dead codes onto random features.

        Args:
            y: features, (N, d).
            indices: their codes, (N,).
            generator: source of the features that revive dead codes.
        """
        size = self.codebook.shape[0]
        count = torch.bincount(indices, minlength=size).to(y.dtype)
        total = torch.zeros_like(self.cluster_sum).index_add_(0, indices, y)
        self.cluster_size.lerp_(count, 1 - self.decay)
        self.cluster_sum.lerp_(total, 1 - self.decay)
        mean = self.cluster_size.mean()
        dead = self.cluster_size < self.revive_below * mean
        if bool(dead.any()):
            size_again = 4 * self.revive_below * mean
            self.cluster_sum[dead] = y[_sample(len(y), int(dead.sum()), generator)] * size_again
            self.cluster_size[dead] = size_again
        # Averages of codes out of use fade towards 0 / 0.
        used = self.cluster_size > FADED * mean
        self.codebook[used] = (self.cluster_sum / self.cluster_size[:, None])[used]

    @torch.no_grad()
    def count(self, granularity: int, indices: Tensor, *, decay: float = 0.998) -> None:
        """Add uses of codes, (N,), to the running counts of a granularity (0 coarse, 1 medium, 2 fine)."""
        self.usage[granularity] *= decay
        self.usage[granularity] += torch.bincount(indices, minlength=self.usage.shape[1])


def perplexity(usage: Tensor) -> Tensor:
    """Effective number of codes: the exponential of the entropy of usage counts.

    Args:
        usage: counts, (..., K).
    Returns:
        (...,), from 1 (also for zero counts) to K.
    """
    share = usage / usage.sum(-1, keepdim=True).clamp(min=1)
    return torch.exp(-torch.xlogy(share, share).sum(-1))


def _sample(population: int, count: int, generator: torch.Generator) -> Tensor:
    draws = torch.rand(max(population, 1), generator=generator)
    order = torch.argsort(draws)
    return order.repeat(-(-count // max(population, 1)))[:count] if count else order[:0]
