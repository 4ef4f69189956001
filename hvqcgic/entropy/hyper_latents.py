"""Coding of all hyper-latents of a picture: those of the granularities, and local means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvqcgic.bitstream import CELL_PX, GRANULARITIES, MEANS
from hvqcgic.entropy.factorised_prior import FactorisedPrior, sent_positions
from hvqcgic.entropy.masks import Masks
from hvqcgic.entropy.means_coding import MeansCoder
from hvqcgic.entropy.range_coding import RangeDecoder, SymbolSink
from hvqcgic.entropy.spec import EntropySpec
from hvqcgic.errors import ModelError

Latents = Mapping[str, NDArray[Any]]
"""Hyper-latents by name: of a granularity, (C_z, ceil(h_g / F), ceil(w_g / F)), or local means, (3, h, w)."""


class HyperLatentCoder:
    """Codes the hyper-latents of one model.

    Args:
        spec: of the entropy model.
        arrays: "z.GRANULARITY" for each granularity with a hyperprior, and "means.table" with local means.

    Raises:
        ModelError: a table has another size or impossible values.
    """

    def __init__(self, spec: EntropySpec, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.priors = {g: FactorisedPrior(arrays[f"z.{g}"]) for g in GRANULARITIES if f"z.{g}" in arrays}
        self.means = MeansCoder(arrays["means.table"]) if "means.table" in arrays else None
        self.block_px = spec.means_block_px or 0
        self.footprint = spec.z_footprint
        self._read_by_decoder = spec.decoder_prior
        if bool(self.means) != bool(self.block_px):
            raise ModelError(f"means_block_px is {spec.means_block_px}, {'a' if self.means else 'no'} means.table")

    def names(self, mode: str) -> tuple[str, ...]:
        """Names of the latents in a stream, in coding order: in static modes those that the picture decoder reads."""
        own = tuple(self.priors) if mode == "adaptive" or self._read_by_decoder else ()
        return (*((MEANS,) if self.means else ()), *own)

    def sent(self, masks: Masks, z: Latents, mode: str = "adaptive") -> dict[str, NDArray[np.int64]]:
        """The latents that a decoder gets: 0 where they are not sent.

        Raises:
            ValueError: a latent is missing, has another shape, or a value is out of range.
        """
        if missing := [name for name in self.names(mode) if name not in z]:
            raise ValueError(f"z lacks the hyper-latent of {missing[0]}{'' if missing[0] == MEANS else ' cells'}")
        return {name: self._sent(name, z[name], masks) for name in self.names(mode)}

    def encode(self, sink: SymbolSink, masks: Masks, z: Latents, mode: str) -> float:
        """Code latents of `sent`; return bits."""
        bits = 0.0
        for name in self.names(mode):
            if name == MEANS and self.means:
                bits += self.means.encode(sink, z[name])
            else:
                bits += self.priors[name].encode(sink, z[name], sent_positions(masks[name], self.footprint))
        return bits

    def decode(self, decoder: RangeDecoder, masks: Masks, mode: str = "adaptive") -> dict[str, NDArray[np.int64]]:
        """Decode the latents of a mode.

        Raises:
            BitstreamError: the data are damaged.
        """
        found = {}
        for name in self.names(mode):
            if name == MEANS and self.means:
                found[name] = self.means.decode(decoder, *self.grid(masks))
            else:
                found[name] = self.priors[name].decode(decoder, sent_positions(masks[name], self.footprint))
        return found

    def grid(self, masks: Masks) -> tuple[int, int]:
        """Rows and columns of blocks of local means."""
        rows, columns = (-(-side * CELL_PX["coarse"] // self.block_px) for side in masks.coarse.shape)
        return rows, columns

    def _sent(self, name: str, values: NDArray[Any], masks: Masks) -> NDArray[np.int64]:
        if name != MEANS or not self.means:
            return self.priors[name].sent(values, sent_positions(masks[name], self.footprint))
        if values.shape[1:] != self.grid(masks):
            raise ValueError(f"local means have shape {values.shape}, expected (3, {self.grid(masks)})")
        return self.means.checked(values)
