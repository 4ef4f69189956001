"""Cost of indices in a coding mode, and choice of indices by distance and rate (design, section 3, end).

    k = argmin |y - e_k|² + eta · bits(k)

The bits come from the mode's own tables. In the adaptive mode the choice goes pass after pass, and a chosen index is
the context of later ones. Only the chosen indices change; the format does not, because any index can be decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.entropy.entropy_model import EntropyModel, check_mode
from hvqcgic.entropy.frequency_chunks import FrequencyChunk
from hvqcgic.entropy.index_coding import PassCells
from hvqcgic.entropy.index_prior import STEPS_PER_BIT
from hvqcgic.entropy.masks import Masks
from hvqcgic.entropy.range_coding import BitCounter, SymbolSink, symbol_bits
from hvqcgic.entropy.static_coding import StaticCoder

Indices = Mapping[str, NDArray[Any]]
HyperLatents = Mapping[str, NDArray[Any]]
Pick = Callable[[str, NDArray[np.int64], FrequencyChunk], NDArray[np.int64]]
"""Function from granularity, ranks (n,) of some cells in it, and their frequencies to their indices (n,)."""


@dataclass(frozen=True)
class PricedIndices:
    """Indices and their bits.

    Attributes:
        indices: per granularity, (N_g,) int64, in raster order.
        bits: of each index, per granularity, (N_g,).
    """

    indices: dict[str, NDArray[np.int64]]
    bits: dict[str, NDArray[np.float64]]


def price(
    model: EntropyModel, masks: Masks, z: HyperLatents, indices: Indices, *, mode: str, sink: SymbolSink | None = None
) -> PricedIndices:
    """Compute the bits of given indices, without map, hyper-latents and container.

    Args:
        model: the entropy model.
        masks: the granularity map.
        z: as in `EntropyModel.encode`.
        indices: per granularity, (N_g,).
        mode: a coding mode; "zip", which codes all indices together, gives the mean over them.
        sink: receives the indices of the adaptive mode during the walk; None to count bits only.

    Raises:
        ValueError: the mode is unknown, or z does not fit.
    """
    check_mode(mode)
    if mode == "adaptive":
        return _walk(model, masks, z, lambda g, ranks, _: indices[g][ranks], sink or BitCounter())
    own = {g: np.asarray(indices[g], np.int64) for g in GRANULARITIES}
    return PricedIndices(own, {g: _static_bits(model.static, own, g, mode) for g in GRANULARITIES})


def choose(
    model: EntropyModel,
    masks: Masks,
    z: HyperLatents,
    choice: WeighedChoice,
    *,
    mode: str,
    sink: SymbolSink | None = None,
) -> PricedIndices:
    """Choose indices by distance and rate, and compute their bits; arguments and errors as in `price`."""
    check_mode(mode)
    if mode == "adaptive":
        return _walk(model, masks, z, choice.pick, sink or BitCounter())
    indices = {g: choice.with_bits(g, code_bits(model.static, g, mode)) for g in GRANULARITIES}
    return price(model, masks, z, indices, mode=mode)


class WeighedChoice:
    """argmin |y - e_k|² + eta · bits(k) for the cells of one picture.

    Args:
        features: y, per granularity, (N_g, d) float32, in raster order.
        codebook: (K, d) float32.
        eta: squared distance that equals one bit.
    """

    def __init__(self, features: Mapping[str, Tensor], codebook: Tensor, eta: float) -> None:
        self._features, self._codes = features, codebook.t()
        self._norms = (codebook * codebook).sum(1)
        self._eta = eta

    def pick(self, granularity: str, ranks: NDArray[np.int64], chunk: FrequencyChunk) -> NDArray[np.int64]:
        """Choose the indices of some cells with the frequencies of a chunk."""
        y = self._features[granularity][torch.from_numpy(ranks)]
        cost = torch.addmm(self._norms, y, self._codes, alpha=-2)
        cost.add_(torch.from_numpy(chunk.steps), alpha=self._eta / STEPS_PER_BIT)
        return cost.argmin(1).numpy()

    def with_bits(self, granularity: str, bits: NDArray[np.float64]) -> NDArray[np.int64]:
        """Choose the indices of all cells of a granularity with the same bits (K,) for every cell."""
        bias = self._norms + self._eta * torch.from_numpy(bits).float()
        rows = self._features[granularity].split(max(1, 2**23 // len(bias)))
        parts = [torch.addmm(bias, y, self._codes, alpha=-2).argmin(1) for y in rows]
        return torch.cat(parts).numpy() if parts else np.zeros(0, np.int64)


def code_bits(coder: StaticCoder, granularity: str, mode: str) -> NDArray[np.float64]:
    """Bits of each code, (K,), in a mode without context; equal for all codes in mode "zip"."""
    if mode == "static-huffman":
        return coder.huffman[granularity].lengths.astype(np.float64)
    if mode == "static-arithmetic":
        counts = coder.counts[granularity].astype(np.float64)
        return symbol_bits(counts, counts.sum(), len(counts))
    return np.full(coder.codes, float(coder.index_bits))


@torch.inference_mode()
def _walk(model: EntropyModel, masks: Masks, z: HyperLatents, pick: Pick, sink: SymbolSink) -> PricedIndices:
    bits = {g: np.zeros(masks.count(g)) for g in GRANULARITIES}

    def resolve(cells: PassCells) -> NDArray[np.int64]:
        granularity = cells.step.granularity
        chosen = np.zeros(len(cells.ranks), np.int64)
        for chunk in model.prior.chunks(cells.parameters, granularity):
            ranks = cells.ranks[chunk.start : chunk.stop]
            own = pick(granularity, ranks, chunk)
            chosen[chunk.start : chunk.stop] = own
            bits[granularity][ranks] = sink.bits_of_each(own, chunk.frequencies)
        return chosen

    return PricedIndices(model.walk.run(masks, model.hyper_latents.sent(masks, z), resolve).indices, bits)


def _static_bits(coder: StaticCoder, indices: Indices, granularity: str, mode: str) -> NDArray[np.float64]:
    own = indices[granularity]
    if mode == "zip":
        whole = 8 * len(coder.encode_zip(indices).data)
        return np.full(len(own), whole / sum(len(indices[g]) for g in GRANULARITIES))
    return code_bits(coder, granularity, mode)[own]
