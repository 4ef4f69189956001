"""The distortion D of decoded pictures, which training minimises and an encoder may, too, for one picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Perceptual = Callable[[Tensor, Tensor], Tensor]
"""LPIPS of one network, or of several in turns: pictures (B, 3, H, W) in [0, 1], twice, to distances (B,)."""


def in_turns(networks: Sequence[Perceptual], first: int) -> Perceptual:
    """Distances of pairs by several networks in turns: picture n of a batch by network (first + n) mod N.

    The mean over a batch estimates the mean over the networks without bias, in the time of a single network.

    Args:
        networks: N of them, at least one.
        first: number of the network that measures the first picture; a step's number moves it on.
    """
    count = len(networks)

    def measure(x: Tensor, y: Tensor) -> Tensor:
        places = torch.arange(len(x))
        parts = [networks[(first + n) % count](x[n::count], y[n::count]) for n in range(min(count, len(x)))]
        return torch.cat(parts)[torch.cat([places[n::count] for n in range(count)]).argsort()]

    return measure


Term = Callable[[Tensor, Tensor], Tensor]
"""A term of D: decoded and original pictures, (B, 3, H, W) in [0, 1], to a scalar."""

TERMS: Mapping[str, Term] = {"mse": F.mse_loss, "l1": F.l1_loss}
"""The terms of D beside LPIPS. A term NAME counts `NAME_weight` times, a field of `TrainingConfig`."""


@dataclass(frozen=True)
class Distortion:
    """D and its terms on pictures in [0, 1].

    Attributes:
        total: the weighted sum that is minimised, a scalar.
        terms: each term, not weighted, a scalar each; "lpips" is 0 where it is not used.
    """

    total: Tensor
    terms: Mapping[str, Tensor]


def distortion(
    picture: Tensor,
    decoded: Tensor,
    weights: object,
    perceptual: Perceptual | None,
    *,
    shift: tuple[int, int] = (0, 0),
) -> Distortion:
    """D of a batch.

    Args:
        picture: (B, 3, H, W), in [0, 1].
        decoded: the same shape, not clamped.
        weights: has `NAME_weight` for each term that counts, such as a `TrainingConfig`.
        perceptual: LPIPS, or None to leave it out.
        shift: rows and columns, from the upper left, that LPIPS does not see.
    """
    rows, columns = shift
    terms = {name: term(decoded, picture) for name, term in TERMS.items()}
    terms["lpips"] = picture.new_zeros(())
    if perceptual is not None:
        terms["lpips"] = perceptual(decoded[..., rows:, columns:], picture[..., rows:, columns:]).mean()
    weighted = [getattr(weights, f"{name}_weight", 0.0) * value for name, value in terms.items()]
    return Distortion(torch.stack(weighted).sum(), terms)
