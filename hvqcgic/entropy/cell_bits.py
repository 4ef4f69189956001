"""What each index of a picture costs under the tables that a coding mode codes it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvqcgic.entropy.entropy_model import EntropyModel
from hvqcgic.entropy.index_coding import PassCells
from hvqcgic.entropy.masks import GRANULARITIES, Masks
from hvqcgic.entropy.range_coding import symbol_bits
from hvqcgic.entropy.static_coding import StaticCoder

Indices = Mapping[str, NDArray[Any]]


def cell_bits(
    model: EntropyModel, masks: Masks, indices: Indices, z: Mapping[str, NDArray[Any]], *, mode: str
) -> dict[str, NDArray[np.float64]]:
    """Bits of every index, (N_g,) per granularity, in raster order; map, hyper-latents and container are not in them.

    Args:
        model: that codes.
        masks: the granularity map.
        indices: per granularity, (N_g,).
        z: as `EntropyModel.encode` takes it.
        mode: a coding mode; of "zip", which codes all indices as one, the mean over them.
    """
    if mode != "adaptive":
        return {g: _static_bits(model.static, indices, g, mode) for g in GRANULARITIES}
    bits = {g: np.zeros(len(indices[g])) for g in GRANULARITIES}

    def resolve(cells: PassCells) -> NDArray[Any]:
        granularity = cells.step.granularity
        own = indices[granularity][cells.ranks]
        for chunk in model.prior.chunks(cells.parameters, granularity):
            table, ranks = chunk.frequencies, cells.ranks[chunk.start : chunk.stop]
            chosen = table[np.arange(len(ranks)), own[chunk.start : chunk.stop]]
            bits[granularity][ranks] = symbol_bits(chosen, table.sum(1), table.shape[1])
        return own

    model.walk.run(masks, model.sent(masks, z), resolve)
    return bits


def _static_bits(coder: StaticCoder, indices: Indices, granularity: str, mode: str) -> NDArray[np.float64]:
    own = indices[granularity]
    if mode == "static-huffman":
        return coder.huffman[granularity].lengths[own].astype(np.float64)
    if mode == "static-arithmetic":
        counts = coder.counts[granularity]
        return symbol_bits(counts[own].astype(np.float64), np.float64(counts.sum()), len(counts))
    if mode == "zip":
        whole = 8 * len(coder.encode_zip(indices).data)
        return np.full(len(own), whole / sum(len(indices[g]) for g in GRANULARITIES))
    return np.full(len(own), float(coder.index_bits))
