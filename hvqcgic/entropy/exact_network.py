"""Convolutional networks in integers: the same result on every machine, thread count and library (design, section 4).

Weights, biases and activations are integers held in float64, where sums and products below 2^53 are exact in any order.
The largest sum that any input could cause is computed when a network is built, and a network that could exceed 2^50 is
refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.entropy import exact_layers
from hvqcgic.entropy.exact_layers import Convolution, Enlarge, Layer, Leaky, Precision

GATHER_ROWS = 1024
"""Cells whose surroundings are gathered at a time: as many as fit a processor's cache."""


class ExactNetwork:
    """A frozen sequence of layers.

    Args:
        name: such as "context.fine/2"; its convolutions are called name.conv0, name.conv1 and so on.
        spec: one JSON-able dict a layer, as `freeze_network` of exact_layers writes.
        arrays: "<convolution>.weight" and "<convolution>.bias", integers.
        precision: the integer grids.
        input_bound: largest magnitude of each input channel, (C,), on the integer grid.

    Raises:
        ModelError: a layer does not fit its input, is unknown, or could exceed the exact range.
    """

    def __init__(
        self,
        name: str,
        spec: Sequence[Mapping[str, Any]],
        arrays: Mapping[str, NDArray[Any]],
        *,
        precision: Precision,
        input_bound: NDArray[np.float64],
    ) -> None:
        self.name = name
        self.precision = precision
        self.layers = tuple(exact_layers.read_layers(name, spec, arrays))
        self.output_bound = exact_layers.output_bounds(name, self.layers, precision, input_bound)

    def forward(self, x: Tensor) -> Tensor:
        """The network's output over the whole plane: (B, C, H, W) to (B, P, H', W'), integers in float64."""
        for layer in self.layers:
            x = self._apply(layer, x)
        return x

    def forward_rows(self, x: Tensor, first: int, stop: int) -> Tensor:
        """Rows [first, stop) of the output, computed from the rows that they depend on and no others.

        Args:
            x: (C, H, W) integers, float64.
            first: row of the output plane.
            stop: one past the last row.

        Returns:
            (P, stop - first, W') integers, float64; equals `forward` there.
        """
        window = self.window(first, stop, x.shape[1])
        found = self.forward(x[None, :, window.start : window.stop])[0]
        return found[:, first - window.offset : stop - window.offset]

    def window(self, first: int, stop: int, height: int) -> RowWindow:
        """The rows of an input plane of some height that rows [first, stop) of the output depend on."""
        start, end, up, down = first, stop, 1, 1
        for layer in reversed(self.layers):
            if isinstance(layer, Enlarge):
                start, end, up = start // 2, -(-end // 2), 2 * up
            elif isinstance(layer, Convolution):
                top, stride = layer.pad[2], layer.stride
                start, end = start * stride - top, (end - 1) * stride - top + layer.weight.shape[2]
                down *= stride
        # Where every stride divides the first row, all layers see their rows at the same places as in the whole plane.
        start = max(start, 0) // down * down
        return RowWindow(start, min(end, height), start // down * up)

    def forward_at(self, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """The output at some positions only; layers compute what these positions need and nothing else.

        Args:
            x: (C, H, W) integers, float64.
            rows: (N,) int64, rows of the output plane.
            columns: (N,) int64, columns of the output plane.

        Returns:
            (N, P) integers, float64; equals `forward` at these positions.
        """
        first = max((i + 1 for i, layer in enumerate(self.layers) if isinstance(layer, Enlarge)), default=0)
        plane = x[None]
        for layer in self.layers[:first]:
            plane = self._apply(layer, plane)
        h, w = plane.shape[2:]
        values = plane[0].permute(1, 2, 0).reshape(h * w, -1)
        at = _Positions(h, w, torch.arange(h).repeat_interleave(w), torch.arange(w).repeat(h))
        for layer, target in zip(self.layers[first:], self._targets(first, h, w, (rows, columns)), strict=True):
            if isinstance(layer, Convolution):
                values = self._rescale(_gathered_convolution(values, at, layer, target))
            else:
                values = self._apply(layer, values)
            at = target
        return values

    def output_size(self, h: int, w: int) -> tuple[int, int]:
        """Height and width of the output for an input of h × w."""
        for layer in self.layers:
            if isinstance(layer, Enlarge):
                h, w = 2 * h, 2 * w
            elif isinstance(layer, Convolution):
                h, w = layer.output_size(h, w)
        return h, w

    def _targets(self, first: int, h: int, w: int, wanted: tuple[Tensor, Tensor]) -> list[_Positions]:
        """For each layer from `first` on, the positions at which later layers need its output."""
        layers = self.layers[first:]
        sizes = [(h, w)]
        for layer in layers:
            sizes.append(layer.output_size(*sizes[-1]) if isinstance(layer, Convolution) else sizes[-1])
        targets = [_Positions(*sizes[-1], *wanted)]
        for layer, size in zip(layers[:0:-1], sizes[-2:0:-1], strict=True):
            targets.append(targets[-1].seen_through(layer, size) if isinstance(layer, Convolution) else targets[-1])
        return targets[::-1]

    def _apply(self, layer: Layer, x: Tensor) -> Tensor:
        if isinstance(layer, Convolution):
            padded = F.pad(x, layer.pad) if any(layer.pad) else x
            return self._rescale(exact_layers.exact_convolution(padded, layer.weight, layer.bias, layer.stride))
        if isinstance(layer, Leaky):
            return torch.maximum(x, (x * 2.0**-layer.shift).floor_())
        if layer.shuffle:
            return F.pixel_shuffle(x, 2)
        return x.repeat_interleave(2, -2).repeat_interleave(2, -1)

    def _rescale(self, sums: Tensor) -> Tensor:
        """Sums back to activations: floor(sum / 2^weight_bits + 1/2), clamped; in place."""
        bits, clamp = self.precision.weight_bits, self.precision.clamp
        return sums.add_(2.0 ** (bits - 1)).mul_(2.0**-bits).floor_().clamp_(-clamp, clamp)


@dataclass(frozen=True)
class RowWindow:
    """Rows [start, stop) of an input plane; `offset` is the output's row that a network of them alone calls row 0."""

    start: int
    stop: int
    offset: int


@dataclass(frozen=True)
class _Positions:
    """N positions of a plane of h × w: rows (N,) and columns (N,), int64."""

    h: int
    w: int
    rows: Tensor
    columns: Tensor

    def seen_through(self, layer: Convolution, size: tuple[int, int]) -> _Positions:
        """The positions of a convolution's input plane, of the given size, that its output here depends on."""
        if layer.pointwise:
            return self
        left, right, top, bottom = layer.pad
        h, w = size
        seen = torch.zeros(h + top + bottom, w + left + right, dtype=torch.bool)
        for i in range(layer.weight.shape[2]):
            for j in range(layer.weight.shape[3]):
                seen[self.rows * layer.stride + i, self.columns * layer.stride + j] = True
        rows, columns = torch.nonzero(seen[top : top + h, left : left + w], as_tuple=True)
        return _Positions(h, w, rows, columns)


def _gathered_convolution(values: Tensor, at: _Positions, layer: Convolution, target: _Positions) -> Tensor:
    """A convolution's sums at some positions.

    Args:
        values: (M, I) the input at positions `at`; elsewhere it is not needed.
        at: M positions of the input plane.
        layer: the convolution.
        target: N positions of the output plane.

    Returns:
        (N, O) integers, float64.
    """
    outputs, inputs, kernel_h, kernel_w = layer.weight.shape
    weight = layer.weight.permute(2, 3, 1, 0).reshape(-1, outputs)
    if layer.pointwise:
        return exact_layers.exact_product(values, weight, layer.bias)
    left, right, top, bottom = layer.pad
    width = at.w + left + right
    plane = values.new_zeros((at.h + top + bottom) * width, inputs)
    plane[(at.rows + top) * width + at.columns + left] = values
    steps = (torch.arange(kernel_h)[:, None] * width + torch.arange(kernel_w)).flatten()
    corners = (target.rows * width + target.columns) * layer.stride
    sums = values.new_empty(len(corners), outputs)
    for start in range(0, len(corners), GATHER_ROWS):
        places = corners[start : start + GATHER_ROWS, None] + steps
        seen = plane.index_select(0, places.flatten()).view(len(places), -1)
        sums[start : start + GATHER_ROWS] = exact_layers.exact_product(seen, weight, layer.bias)
    return sums
