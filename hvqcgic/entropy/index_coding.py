"""The passes of the adaptive mode: from what is known the prior's numbers of the next cells, then their indices.

Encoder, decoder and every other use walk the same way: `IndexWalk.run` computes the numbers of a pass's cells and asks
its caller for their indices, which an encoder has, a decoder reads, and a search chooses.

A large picture's pass goes by bands of rows, in raster order. Each band's network sees the rows that its cells depend
on, so that the numbers are those of the whole plane, and what is held grows with a band: of the whole picture only
hints, one index a cell and the masks are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.bitstream import GRANULARITIES, Pass
from hvqcgic.entropy.exact_network import ExactNetwork, RowWindow
from hvqcgic.entropy.masks import BoolArray, Masks
from hvqcgic.entropy.schedule import positions

MASK_CHANNELS = len(GRANULARITIES)
BAND_POSITIONS = 2**17
"""Positions of a grid whose cells are coded together: those of a picture of two megapixels on the fine grid."""


@dataclass(frozen=True)
class PassCells:
    """Some cells of one pass in one picture.

    Attributes:
        step: the pass.
        rows: (N,) int64, rows of the cells on the grid of the pass's granularity.
        columns: (N,) int64, their columns.
        ranks: (N,) int64, their places among all cells of that granularity in raster order.
        parameters: (N, P) integers, float64: the prior's numbers.
    """

    step: Pass
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    ranks: NDArray[np.int64]
    parameters: Tensor


Resolve = Callable[[PassCells], NDArray[Any]]
"""Gives the indices (N,) of some cells of a pass; is asked for all bands of a pass before any of the next."""


@dataclass(frozen=True)
class WalkResult:
    """What a walk over all passes leaves.

    Attributes:
        indices: per granularity, (N_g,) int64 in raster order.
        parameters: per granularity, (P, N_g) float32: the prior's numbers, exact multiples of 2^-activation_bits; None
            unless they were to be kept.
    """

    indices: dict[str, NDArray[np.int64]]
    parameters: dict[str, NDArray[np.float32]] | None


class IndexWalk:
    """Runs the passes of a schedule.

    Args:
        schedule: passes, coarse before medium before fine.
        synthesis: hyper-synthesis networks of the granularities that have one.
        context: a network for each pass, by name.
        embeddings: (K, d) integers, float64, at 2^-activation_bits.
        activation_bits: of the networks.
        band_positions: positions of a grid that are coded together, at least two rows of them.
    """

    def __init__(
        self,
        schedule: tuple[Pass, ...],
        synthesis: Mapping[str, ExactNetwork],
        context: Mapping[str, ExactNetwork],
        *,
        embeddings: Tensor,
        activation_bits: int,
        band_positions: int = BAND_POSITIONS,
    ) -> None:
        self.schedule = schedule
        self.synthesis = synthesis
        self.context = context
        self.one = 2.0**activation_bits
        self.embeddings = embeddings
        self._codes = _known_codes(embeddings, self.one)
        self.width = len(context[schedule[0].name].output_bound)
        self.band_positions = band_positions

    @torch.inference_mode()
    def run(
        self, masks: Masks, z: Mapping[str, NDArray[Any]], resolve: Resolve, *, keep_parameters: bool = False
    ) -> WalkResult:
        """Walks over all passes.

        Args:
            masks: the granularity map.
            z: hyper-latents (Cz, hz, wz) of the granularities that have one, 0 where not sent.
            resolve: is asked for the indices of each pass that has cells.
            keep_parameters: whether the result shall hold them.
        """
        indices = {g: np.zeros(masks.count(g), np.int64) for g in GRANULARITIES}
        kept = {g: np.zeros((self.width, len(indices[g]) if keep_parameters else 0), np.float32) for g in GRANULARITIES}
        known: NDArray[np.int32] | None = None
        for granularity in GRANULARITIES:
            mask, own = masks[granularity], indices[granularity]
            plane = _Plane(masks.on_grid(granularity), known, self._hints(masks, granularity, z), self._codes)
            for step in (p for p in self.schedule if p.granularity == granularity):
                for cells in self._cells(step, mask, plane):
                    own[cells.ranks] = np.asarray(resolve(cells), np.int64)
                    if keep_parameters:
                        kept[granularity][:, cells.ranks] = cells.parameters.t().numpy() / self.one
                # Only now: no band of a pass sees another's cells.
                plane.write(mask & positions(step, *mask.shape), mask, own)
            known = plane.indices
        return WalkResult(indices, kept if keep_parameters else None)

    def _rows_at_once(self, width: int) -> int:
        """Rows of a band: even, so that the four phases of a square stay together."""
        return max(2, self.band_positions // width // 2 * 2)

    def _hints(self, masks: Masks, granularity: str, z: Mapping[str, NDArray[Any]]) -> Tensor | None:
        """What hyper-synthesis says about each cell, (S, h, w), or None where the granularity has no hyperprior."""
        network = self.synthesis.get(granularity)
        if network is None:
            return None
        h, w = masks[granularity].shape
        # Integers below 2^24 are exact in half the memory.
        kind = torch.float32 if float(network.output_bound.max()) <= 2.0**24 else torch.float64
        hints = torch.zeros(len(network.output_bound), h, w, dtype=kind)
        if masks.count(granularity):
            latent = torch.from_numpy(np.asarray(z[granularity], np.float64)) * self.one
            at_once = self._rows_at_once(w)
            for first in range(0, h, at_once):
                stop = min(first + at_once, h)
                hints[:, first:stop] = network.forward_rows(latent, first, stop)[:, :, :w]
        return hints

    def _cells(self, step: Pass, mask: BoolArray, plane: _Plane) -> Iterator[PassCells]:
        """The cells of a pass and the prior's numbers of each, band by band; bands without a cell are left out."""
        h, w = mask.shape
        network, stride = self.context[step.name], 2 if step.phases == 4 else 1
        own, at_once, before = mask & positions(step, h, w), self._rows_at_once(w), 0
        for first in range(0, h, at_once):
            stop = min(first + at_once, h)
            ranks = np.cumsum(mask[first:stop]).reshape(stop - first, w) + (before - 1)
            before += int(np.count_nonzero(mask[first:stop]))
            rows, columns = np.nonzero(own[first:stop])
            if len(rows):
                window = network.window(first // stride, -(-stop // stride), -(-h // stride) * stride)
                places = torch.from_numpy((rows + first) // stride - window.offset), torch.from_numpy(columns // stride)
                parameters = network.forward_at(plane.window(window, stride), *places)
                yield PassCells(step, rows + first, columns, ranks[rows, columns], parameters)


class _Plane:
    """What the context networks of a granularity see on its grid, as little of it as a picture can be kept in.

    Attributes:
        indices: (h, w) int32, the index known at a position, K where none is.
    """

    def __init__(
        self, masks: BoolArray, coarser: NDArray[np.int32] | None, hints: Tensor | None, codes: Tensor
    ) -> None:
        """Args: masks: (3, h, w); coarser: indices, (h/2, w/2); hints: (S, h, w); codes: of `_known_codes`."""
        self._masks, self._hints, self._codes = masks, hints, codes
        if coarser is None:
            self.indices = np.full(masks.shape[1:], len(codes) - 1, np.int32)
        else:
            self.indices = coarser.repeat(2, 0).repeat(2, 1)

    def window(self, rows: RowWindow, multiple: int) -> Tensor:
        """[hints S, codes d, known 1, masks 3] channels of some rows, (C, rows, w) integers, float64.

        Rows and columns beyond the grid, up to a multiple, are zero.
        """
        _, h, w = self._masks.shape
        first = 0 if self._hints is None else len(self._hints)
        last = first + self._codes.shape[1]
        # Channels lie side by side, as what gathers positions reads them.
        size = rows.stop - rows.start, -(-w // multiple) * multiple
        values = torch.zeros(*size, last + MASK_CHANNELS, dtype=torch.float64)
        inside, own = values[: h - rows.start, :w], slice(rows.start, min(rows.stop, h))
        if self._hints is not None:
            inside[..., :first] = self._hints[:, own].permute(1, 2, 0)
        indices = torch.from_numpy(self.indices[own])
        inside[..., first:last] = self._codes.index_select(0, indices.flatten()).view(*indices.shape, -1)
        one = float(self._codes[0, -1])
        inside[..., last:] = torch.from_numpy(self._masks[:, own]).permute(1, 2, 0) * one
        return values.permute(2, 0, 1)

    def write(self, cells: BoolArray, mask: BoolArray, indices: NDArray[np.int64]) -> None:
        """Makes known the indices of some cells (h, w), of the indices (N,) of all cells of a mask (h, w)."""
        self.indices[cells] = indices[cells[mask]]


def checked_indices(indices: Mapping[str, NDArray[Any]], masks: Masks, codes: int) -> dict[str, NDArray[np.int64]]:
    """Indices per granularity as int64, once they are known to fit a map and a codebook of so many codes.

    Raises:
        ValueError: they do not.
    """
    checked = {g: np.asarray(indices[g]).astype(np.int64) for g in GRANULARITIES}
    for granularity, values in checked.items():
        if values.shape != (masks.count(granularity),):
            raise ValueError(
                f"{granularity} indices have shape {values.shape}, the map has {masks.count(granularity)} cells"
            )
        if len(values) and not (0 <= values.min() and values.max() < codes):
            raise ValueError(
                f"{granularity} indices lie in [{values.min()}, {values.max()}], this model has {codes} codes"
            )
    return checked


def _known_codes(embeddings: Tensor, one: float) -> Tensor:
    """(K + 1, d + 1): each code and that it is known, and zeros for what is not known."""
    known = torch.cat([embeddings, embeddings.new_full((len(embeddings), 1), one)], 1)
    return torch.cat([known, known.new_zeros(1, known.shape[1])])
