"""Layers of an exact network at some positions only: the inputs of these positions are gathered, and nothing else.

Groups of positions go through a run of layers at a time: a convolution with neighbours, and the pointwise layers up to
the next such convolution. Only the planes between runs leave a processor's cache. Sums are matrix products in float64.
Networks on coarser grids, whose sums stay below 2^24, take float32, which is exact there, too, in 0.6 of the time: with
weights of 14 and activations of 12 fractional bits sums reach 2^37, with 7 and 5 they stay below 2^24.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hvqcgic.entropy.exact_layers import Convolution, Layer, Leaky, Precision, Product
from hvqcgic.parallel import each_in_threads, threads_for

GATHER_ROWS = 256
"""Number of positions whose neighbourhoods are gathered at a time; they fit a processor's inner caches."""


@dataclass(frozen=True)
class Positions:
    """N positions of a plane of h × w: rows (N,) and columns (N,), int64."""

    h: int
    w: int
    rows: Tensor
    columns: Tensor

    def seen_through(self, layer: Convolution, size: tuple[int, int]) -> Positions:
        """Positions of a convolution's input plane, of the given size, that the output at these positions reads."""
        left, right, top, bottom = layer.pad
        h, w = size
        seen = torch.zeros(h + top + bottom, w + left + right, dtype=torch.bool)
        for i in range(layer.weight.shape[2]):
            for j in range(layer.weight.shape[3]):
                seen[self.rows * layer.stride + i, self.columns * layer.stride + j] = True
        rows, columns = torch.nonzero(seen[top : top + h, left : left + w], as_tuple=True)
        return Positions(h, w, rows, columns)


@dataclass(frozen=True)
class _Rows:
    """A padded plane as rows of channels, and its width.

    Attributes:
        middle: (height · width, centred): leading channels that are read at the middle of a kernel alone.
        values: (height · width, C - centred): the others.
        width: of the padded plane.
    """

    middle: Tensor
    values: Tensor
    width: int

    @staticmethod
    def blank(layer: Convolution, size: tuple[int, int], channels: tuple[int, int], dtype: torch.dtype) -> _Rows:
        """Zeros of the padded size of a convolution's input plane of h × w, for (centred, other) channels."""
        left, right, top, bottom = layer.pad
        width = size[1] + left + right
        count = (size[0] + top + bottom) * width
        middle, others = (torch.zeros(count, own, dtype=dtype) for own in channels)
        return _Rows(middle, others, width)

    @staticmethod
    def of(plane: Tensor, layer: Convolution, centred: int, dtype: torch.dtype) -> _Rows:
        """A convolution's input plane, (C, h, w), in a type that holds its integers."""
        left, _, top, _ = layer.pad
        channels, h, w = plane.shape
        rows = _Rows.blank(layer, (h, w), (centred, channels - centred), dtype)
        for kept, part in ((rows.middle, plane[:centred]), (rows.values, plane[centred:])):
            kept.view(len(kept) // rows.width, rows.width, len(part))[top : top + h, left : left + w] = part.permute(
                1, 2, 0
            )
        return rows


def float32_is_exact() -> bool:
    """Whether PyTorch computes products of float32 matrices in float32; a program may allow it bfloat16 instead."""
    own = getattr(getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision", "none")
    return torch.get_float32_matmul_precision() == "highest" and own not in ("bf16", "tf32")


class GatheredLayers:
    """Convolutions and pointwise layers at some positions of the output.

    Args:
        layers: a convolution, then convolutions and leaky layers.
        precision: the integer grids.
        single: whether all sums stay within `LARGEST_SINGLE_SUM`.
    """

    def __init__(self, layers: Sequence[Layer], precision: Precision, *, single: bool) -> None:
        first = layers[0]
        assert isinstance(first, Convolution)
        self._centred = first.centred_inputs()
        self._layers, self._precision, self._single = layers, precision, single
        self._runs: dict[torch.dtype, Sequence[_Run]] = {}

    def at(self, plane: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Compute the output (N, P) for an input plane (C, H, W), at rows and columns (N,) of the output plane.

        Planes hold integers in float64 or float32, outputs in float64.
        """
        dtype = torch.float32 if self._single and float32_is_exact() else torch.float64
        return self._at(plane, rows, columns, dtype).double()

    def _runs_in(self, dtype: torch.dtype) -> Sequence[_Run]:
        """The runs of layers with matrices of a type, made at its first use: programs use one type."""
        if dtype not in self._runs:
            starts = [n for n, layer in enumerate(self._layers) if n == 0 or _looks_around(layer)]
            self._runs[dtype] = [
                _Run(self._layers[a:b], self._precision, centred=0 if a else self._centred, dtype=dtype)
                for a, b in zip(starts, [*starts[1:], len(self._layers)], strict=True)
            ]
        return self._runs[dtype]

    def _at(self, plane: Tensor, rows: Tensor, columns: Tensor, dtype: torch.dtype) -> Tensor:
        """See `at`; computes in a type."""
        runs = self._runs_in(dtype)
        heads = [run.head for run in runs]
        sizes = [(plane.shape[1], plane.shape[2])]
        for head in heads:
            sizes.append(head.output_size(*sizes[-1]))
        targets = [Positions(*sizes[-1], rows, columns)]
        for head, size in zip(heads[:0:-1], sizes[-2:0:-1], strict=True):
            targets.append(targets[-1].seen_through(head, size))
        targets.reverse()
        seen = _Rows.of(plane, heads[0], self._centred, dtype)
        for n, (run, target) in enumerate(zip(runs[:-1], targets[:-1], strict=True), start=1):
            following = _Rows.blank(heads[n], sizes[n], (0, run.outputs), dtype)
            left, _, top, _ = heads[n].pad
            places = (target.rows + top) * following.width + target.columns + left
            run.compute(seen, target, following.values, places)
            seen = following
        found = torch.empty(len(rows), runs[-1].outputs, dtype=dtype)
        runs[-1].compute(seen, targets[-1], found, torch.arange(len(rows)))
        return found


class _Run:
    """A convolution and the pointwise layers after it."""

    def __init__(self, layers: Sequence[Layer], precision: Precision, *, centred: int, dtype: torch.dtype) -> None:
        assert isinstance(layers[0], Convolution)
        self.head: Convolution = layers[0]
        self._first = Product(self.head, precision, centred, dtype=dtype)
        self._later = [Product(n, precision, dtype=dtype) if isinstance(n, Convolution) else n for n in layers[1:]]
        products = [self._first, *(layer for layer in self._later if isinstance(layer, Product))]
        self.outputs = len(products[-1].matrix)

    def compute(self, seen: _Rows, target: Positions, found: Tensor, places: Tensor) -> None:
        """Write the output at target positions (N,) to rows of `found`, (…, P), at places (N,)."""
        kernel_h, kernel_w = self.head.weight.shape[2:]
        steps = (torch.arange(kernel_h)[:, None] * seen.width + torch.arange(kernel_w)).flatten()
        corners = (target.rows * seen.width + target.columns) * self.head.stride
        middles = corners + self.head.centre[0] * seen.width + self.head.centre[1]
        threads = threads_for(len(corners) // GATHER_ROWS)
        share = -(-len(corners) // (threads * GATHER_ROWS)) * GATHER_ROWS

        @torch.inference_mode()
        def work(first: int) -> None:
            buffer = seen.values.new_empty(GATHER_ROWS * len(steps), seen.values.shape[1])
            for start in range(first, min(first + share, len(corners)), GATHER_ROWS):
                stop = min(start + GATHER_ROWS, first + share)
                around = (corners[start:stop, None] + steps).flatten()
                rows = torch.index_select(seen.values, 0, around, out=buffer[: len(around)])
                middle = seen.middle[middles[start:stop]].t() if seen.middle.shape[1] else None
                own = self._through(rows.view(len(around) // len(steps), -1).t(), middle)
                found.index_copy_(0, places[start : start + own.shape[1]], own.t().contiguous())

        each_in_threads(work, range(0, len(corners), max(share, 1)))

    def _through(self, values: Tensor, middle: Tensor | None) -> Tensor:
        """Compute the output of the last layer, (P, n), from the first one's input as `Product.apply` takes it."""
        values = self._first.apply(values, middle)
        for layer in self._later:
            values = layer.apply(values) if isinstance(layer, (Product, Leaky)) else values
        return values


def _looks_around(layer: Layer) -> bool:
    return isinstance(layer, Convolution) and not layer.pointwise
