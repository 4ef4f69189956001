"""The passes of the adaptive mode: for each pass, the index prior's parameters of its cells, then their indices.

Encoder, decoder and every other use share one walk. `IndexWalk.run` computes the parameters of a pass's cells and
requests their indices from its caller: an encoder has them, a decoder reads them, and a search chooses them.

A pass of a large picture is processed in bands of rows, in raster order. Each band's network gets the rows that its
cells depend on, so that the parameters equal those of the whole plane. Memory grows with the size of a band; of the
whole picture only hints, one index per cell and the masks are stored.
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
from hvqcgic.entropy.exact_layers import LARGEST_SINGLE_SUM
from hvqcgic.entropy.exact_network import ExactNetwork, RowWindow
from hvqcgic.entropy.masks import BoolArray, Masks
from hvqcgic.entropy.schedule import positions

MASK_CHANNELS = len(GRANULARITIES)
BAND_POSITIONS = 2**17
"""Number of grid positions whose cells are coded together: the fine grid of a picture of two megapixels."""


@dataclass(frozen=True)
class PassCells:
    """Some cells of one pass in one picture.

    Attributes:
        step: the pass.
        rows: (N,) int64, rows of the cells on the grid of the pass's granularity.
        columns: (N,) int64, columns of the cells on that grid.
        ranks: (N,) int64, positions of the cells among all cells of that granularity in raster order.
        parameters: (N, P) integers, float64: the index prior's parameters.
    """

    step: Pass
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    ranks: NDArray[np.int64]
    parameters: Tensor


Resolve = Callable[[PassCells], NDArray[Any]]
"""Function from some cells of a pass to their indices (N,); called for all bands of a pass before the next pass."""


@dataclass(frozen=True)
class WalkResult:
    """Result of a walk over all passes.

    Attributes:
        indices: per granularity, (N_g,) int64 in raster order.
        parameters: per granularity, (P, N_g) float32: the prior's parameters, exact multiples of 2^-activation_bits;
            None if not requested.
    """

    indices: dict[str, NDArray[np.int64]]
    parameters: dict[str, NDArray[np.float32]] | None


class IndexWalk:
    """Runs the passes of a schedule.

    Args:
        schedule: passes, coarse before medium before fine.
        synthesis: hyper-synthesis networks of each granularity, by the hyper-latents that they read.
        context: a network for each pass, by name.
        embeddings: (K, d) integers, float64, at 2^-activation_bits.
        activation_bits: of the networks.
        band_positions: number of grid positions that are coded together, at least two rows of them.
    """

    def __init__(
        self,
        schedule: tuple[Pass, ...],
        synthesis: Mapping[str, Mapping[str, ExactNetwork]],
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
        # float32 represents integers up to 2^24 exactly, in half the memory.
        if max(self.one, float(embeddings.abs().max())) <= LARGEST_SINGLE_SUM:
            self._codes = self._codes.float()
        self.width = len(context[schedule[0].name].output_bound)
        self.band_positions = band_positions

    @torch.inference_mode()
    def run(
        self, masks: Masks, z: Mapping[str, NDArray[Any]], resolve: Resolve, *, keep_parameters: bool = False
    ) -> WalkResult:
        """Walk over all passes.

        Args:
            masks: the granularity map.
            z: hyper-latents (Cz, hz, wz) by name, 0 where not sent.
            resolve: called for the indices of each pass with cells.
            keep_parameters: whether the result holds the parameters.
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
                # Written after the whole pass: no band of a pass may use another band's cells.
                plane.write(mask & positions(step, *mask.shape), mask, own)
            known = plane.indices
        return WalkResult(indices, kept if keep_parameters else None)

    def _rows_at_once(self, width: int) -> int:
        """Rows of a band: an even number, so that the four phases of a square stay together."""
        return max(2, self.band_positions // width // 2 * 2)

    def _hints(self, masks: Masks, granularity: str, z: Mapping[str, NDArray[Any]]) -> Tensor | None:
        """Outputs of the hyper-syntheses for each cell, (S, h, w); None for a granularity without any."""
        networks = self.synthesis[granularity]
        if not networks:
            return None
        h, w = masks[granularity].shape
        # float32 represents integers below 2^24 exactly in half the memory.
        top = max(float(network.output_bound.max()) for network in networks.values())
        kind = torch.float32 if top <= LARGEST_SINGLE_SUM else torch.float64
        widths = [len(network.output_bound) for network in networks.values()]
        hints = torch.zeros(sum(widths), h, w, dtype=kind)
        if masks.count(granularity):
            at_once = self._rows_at_once(w)
            for part, (name, network) in zip(hints.split(widths), networks.items(), strict=True):
                latent = torch.from_numpy(np.asarray(z[name], np.float64)) * self.one
                for first in range(0, h, at_once):
                    stop = min(first + at_once, h)
                    part[:, first:stop] = network.forward_rows(latent, first, stop)[:, :, :w]
        return hints

    def _cells(self, step: Pass, mask: BoolArray, plane: _Plane) -> Iterator[PassCells]:
        """Yield the cells of a pass and their parameters, band by band; bands without a cell are skipped."""
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
    """Inputs of a granularity's context networks on its grid, in a compact form.

    The last window is kept: if the plane is one band, all passes read the same window, and only codes are added to it.

    Attributes:
        indices: (h, w) int32, the known index at each position, K where unknown.
    """

    def __init__(
        self, masks: BoolArray, coarser: NDArray[np.int32] | None, hints: Tensor | None, codes: Tensor
    ) -> None:
        """Args: masks: (3, h, w); coarser: indices, (h/2, w/2); hints: (S, h, w); codes: of `_known_codes`."""
        self._masks, self._hints, self._codes = masks, hints, codes
        first = 0 if hints is None else len(hints)
        self._known = slice(first, first + codes.shape[1])
        self._kept: tuple[RowWindow, int, Tensor] | None = None
        if coarser is None:
            self.indices = np.full(masks.shape[1:], len(codes) - 1, np.int32)
        else:
            self.indices = coarser.repeat(2, 0).repeat(2, 1)

    def window(self, rows: RowWindow, multiple: int) -> Tensor:
        """Return the channels [hints S, codes d, known 1, masks 3] of some rows, (C, rows, w) integers.

        Rows and columns beyond the grid, up to a multiple, are zero. A later call may change the result.
        """
        if self._kept is None or self._kept[:2] != (rows, multiple):
            self._kept = None  # frees its memory first
            self._kept = rows, multiple, self._build(rows, multiple)
        return self._kept[2].permute(2, 0, 1)

    def _build(self, rows: RowWindow, multiple: int) -> Tensor:
        """Build a window channels-last, (rows, w, C), the order in which gathered positions are read."""
        _, h, w = self._masks.shape
        size = rows.stop - rows.start, -(-w // multiple) * multiple
        kind = self._codes.dtype if self._hints is None else torch.promote_types(self._codes.dtype, self._hints.dtype)
        values = torch.zeros(*size, self._known.stop + MASK_CHANNELS, dtype=kind)
        inside, own = values[: h - rows.start, :w], slice(rows.start, min(rows.stop, h))
        if self._hints is not None:
            inside[..., : self._known.start] = self._hints[:, own].permute(1, 2, 0)
        indices = torch.from_numpy(self.indices[own])
        inside[..., self._known] = self._codes.index_select(0, indices.flatten()).view(*indices.shape, -1)
        one = float(self._codes[0, -1])
        inside[..., self._known.stop :] = torch.from_numpy(self._masks[:, own]).permute(1, 2, 0) * one
        return values

    def write(self, cells: BoolArray, mask: BoolArray, indices: NDArray[np.int64]) -> None:
        """Store the indices of some cells (h, w), from the indices (N,) of all cells of a mask (h, w)."""
        found = indices[cells[mask]]
        self.indices[cells] = found
        if self._kept is None:
            return
        window, _, values = self._kept
        if window.stop - window.start < len(cells):
            self._kept = None
            return
        rows, columns = (torch.from_numpy(place) for place in np.nonzero(cells))
        values[rows, columns, self._known] = self._codes.index_select(0, torch.from_numpy(found)).to(values.dtype)


def checked_indices(indices: Mapping[str, NDArray[Any]], masks: Masks, codes: int) -> dict[str, NDArray[np.int64]]:
    """Check that indices fit a map and a codebook of this many codes; return them per granularity as int64.

    Raises:
        ValueError: they do not fit.
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
    """(K + 1, d + 1): each code followed by a "known" flag; the last row, for unknown positions, is zero."""
    known = torch.cat([embeddings, embeddings.new_full((len(embeddings), 1), one)], 1)
    return torch.cat([known, known.new_zeros(1, known.shape[1])])
