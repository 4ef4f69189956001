"""The passes of the adaptive mode: from what is known the prior's numbers of the next cells, then their indices.

Encoder, decoder and every other use walk the same way: `IndexWalk.run` computes the numbers of a pass's cells and asks
its caller for their indices, which an encoder has, a decoder reads, and a search chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.entropy.exact_network import ExactNetwork
from hvqcgic.entropy.masks import GRANULARITIES, BoolArray, Masks
from hvqcgic.entropy.schedule import positions
from hvqcgic.schedule import Pass

MASK_CHANNELS = len(GRANULARITIES)


@dataclass(frozen=True)
class PassCells:
    """The cells of one pass in one picture.

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
"""Gives the indices (N,) of a pass's cells."""


@dataclass(frozen=True)
class WalkResult:
    """What a walk over all passes leaves.

    Attributes:
        indices: per granularity, (N_g,) int64 in raster order.
        parameters: per granularity, (P, N_g) float32: the prior's numbers, exact multiples of 2^-activation_bits.
    """

    indices: dict[str, NDArray[np.int64]]
    parameters: dict[str, NDArray[np.float32]]


class IndexWalk:
    """Runs the passes of a schedule.

    Args:
        schedule: passes, coarse before medium before fine.
        synthesis: hyper-synthesis networks of the granularities that have one.
        context: a network for each pass, by name.
        embeddings: (K, d) integers, float64, at 2^-activation_bits.
        activation_bits: of the networks.
    """

    def __init__(
        self,
        schedule: tuple[Pass, ...],
        synthesis: Mapping[str, ExactNetwork],
        context: Mapping[str, ExactNetwork],
        *,
        embeddings: Tensor,
        activation_bits: int,
    ) -> None:
        self.schedule = schedule
        self.synthesis = synthesis
        self.context = context
        self.embeddings = embeddings
        self.one = 2.0**activation_bits
        self.width = len(context[schedule[0].name].output_bound)

    @torch.inference_mode()
    def run(self, masks: Masks, z: Mapping[str, NDArray[Any]], resolve: Resolve) -> WalkResult:
        """Walks over all passes.

        Args:
            masks: the granularity map.
            z: hyper-latents (Cz, hz, wz) of the granularities that have one, 0 where not sent.
            resolve: is asked for the indices of each pass that has cells.
        """
        indices = {g: np.zeros(masks.count(g), np.int64) for g in GRANULARITIES}
        parameters = {g: np.zeros((self.width, len(indices[g])), np.float32) for g in GRANULARITIES}
        known: Tensor | None = None
        for granularity in GRANULARITIES:
            plane = _Plane(masks.on_grid(granularity), known, self._hints(masks, granularity, z), self)
            known = plane.known
            ranks = np.cumsum(masks[granularity]).reshape(masks[granularity].shape) - 1
            for step in (p for p in self.schedule if p.granularity == granularity):
                cells = self._cells(step, masks[granularity], ranks, plane.values)
                if cells is not None:
                    chosen = np.asarray(resolve(cells), np.int64)
                    plane.write(cells, self.embeddings[torch.from_numpy(chosen)])
                    indices[granularity][cells.ranks] = chosen
                    parameters[granularity][:, cells.ranks] = cells.parameters.t().numpy() / self.one
        return WalkResult(indices, parameters)

    def _hints(self, masks: Masks, granularity: str, z: Mapping[str, NDArray[Any]]) -> Tensor | None:
        """What hyper-synthesis says about each cell, (S, h, w), or None where the granularity has no hyperprior."""
        network = self.synthesis.get(granularity)
        if network is None:
            return None
        h, w = masks[granularity].shape
        if not masks.count(granularity):
            return torch.zeros(len(network.output_bound), h, w, dtype=torch.float64)
        latent = torch.from_numpy(np.asarray(z[granularity], np.float64)) * self.one
        return network.forward(latent[None])[0, :, :h, :w]

    def _cells(self, step: Pass, mask: BoolArray, ranks: NDArray[np.int64], plane: Tensor) -> PassCells | None:
        """The cells of a pass and the prior's numbers of each; None where the picture has no such cell."""
        h, w = mask.shape
        rows, columns = np.nonzero(mask & positions(step, h, w))
        if not len(rows):
            return None
        at_rows, at_columns = torch.from_numpy(rows), torch.from_numpy(columns)
        if step.phases == 4:
            plane = F.pad(plane, (0, w % 2, 0, h % 2))
            at_rows, at_columns = at_rows // 2, at_columns // 2
        parameters = self.context[step.name].forward_at(plane, at_rows, at_columns)
        return PassCells(step, rows, columns, ranks[rows, columns], parameters)


class _Plane:
    """What the context networks of a granularity see: [hints S, codes d, known 1, masks 3] channels on its grid."""

    def __init__(self, masks: BoolArray, coarser: Tensor | None, hints: Tensor | None, walk: IndexWalk) -> None:
        _, h, w = masks.shape
        self._one = walk.one
        self._first = 0 if hints is None else len(hints)
        self._last = self._first + walk.embeddings.shape[1]
        self.values = torch.zeros(self._last + 1 + MASK_CHANNELS, h, w, dtype=torch.float64)
        if hints is not None:
            self.values[: self._first] = hints
        if coarser is not None:
            self.known[:] = coarser.repeat_interleave(2, 1).repeat_interleave(2, 2)
        self.values[self._last + 1 :] = torch.from_numpy(masks) * self._one

    @property
    def known(self) -> Tensor:
        """(d + 1, h, w): codes of the cells known so far, and where they are known."""
        return self.values[self._first : self._last + 1]

    def write(self, cells: PassCells, codes: Tensor) -> None:
        """Adds the codes (N, d) of a pass's cells."""
        rows, columns = torch.from_numpy(cells.rows), torch.from_numpy(cells.columns)
        self.values[self._first : self._last, rows, columns] = codes.t()
        self.values[self._last, rows, columns] = self._one
