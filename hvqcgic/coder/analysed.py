"""A picture with its pixels, information density and features, which do not depend on the operating point."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.models import PatchEntropies, nearest_codes


class Analysed:
    """A picture with all values that do not depend on the operating point, computed once.

    Attributes:
        pixels: (H, W, 3) uint8.
        features: of the encoder, (1, d, h_g, w_g) each, on the networks' device; with local means also "means", their
            latents, (1, 3, h, w).
        distortions: of every cell at every granularity, once `hvqcgic.rate_control.cell_distortions` has computed them.
    """

    distortions: Mapping[str, NDArray[np.float64]] | None = None

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        density: Callable[[], PatchEntropies],
        features: dict[str, Tensor],
        codebook: Tensor,
    ) -> None:
        """Args: see the attributes; density: computes it once; codebook: (K, d), in which `nearest` searches."""
        self.pixels, self.features = pixels, features
        self._density = density
        self._codebook = codebook
        self._nearest = {
            g: torch.full(features[g].shape[-2:], -1, dtype=torch.int32, device=features[g].device)
            for g in GRANULARITIES
        }

    def with_features(self, features: dict[str, Tensor]) -> Analysed:
        """Return the same picture with other features of the same shapes."""
        return Analysed(self.pixels, self._density, features, self._codebook)

    @property
    def density(self) -> PatchEntropies:
        """Information density of its patches, on the CPU."""
        return self._density()

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.pixels.shape[0]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of 16 px cells that cover the picture."""
        return -(-self.height // 16), -(-self.width // 16)

    def rows(self, granularity: str, mask: Tensor) -> Tensor:
        """Features (N, d) of the cells in a mask (h_g, w_g), in raster order."""
        return self.features[granularity][0].permute(1, 2, 0)[mask]

    def nearest(self, granularity: str, mask: Tensor) -> Tensor:
        """Nearest codes (N,) of the cells in a mask (h_g, w_g); each cell is searched once."""
        known = self._nearest[granularity]
        new = mask & (known < 0)
        known[new] = nearest_codes(self.rows(granularity, new), self._codebook).int()
        return known[mask].long()
