"""Convolutional networks in integers: the same result on every machine, thread count and library (design, section 4).

Weights, biases and activations are integers in float64, in which sums and products below 2^53 are exact in any order.
The constructor computes the largest sum that any input could cause, and refuses a network that could exceed 2^50.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.entropy import exact_layers
from hvqcgic.entropy.exact_layers import Convolution, Enlarge, Layer, LayerSpec, Leaky, Precision
from hvqcgic.entropy.gathered_layers import GatheredLayers


class ExactNetwork:
    """A frozen sequence of layers.

    Args:
        name: such as "context.fine/2"; its convolutions are called name.conv0, name.conv1 and so on.
        spec: one `LayerSpec` a layer, or its JSON-able form, as `freeze_network` of exact_layers writes.
        arrays: "<convolution>.weight" and "<convolution>.bias", integers.
        precision: the integer grids.
        input_bound: largest magnitude of each input channel, (C,), on the integer grid.

    Raises:
        ModelError: a layer does not fit its input, is unknown, or could exceed the exact range.
    """

    def __init__(
        self,
        name: str,
        spec: Sequence[LayerSpec | Mapping[str, Any]],
        arrays: Mapping[str, NDArray[Any]],
        *,
        precision: Precision,
        input_bound: NDArray[np.float64],
    ) -> None:
        self.name = name
        self.precision = precision
        self.layers = tuple(exact_layers.read_layers(name, spec, arrays))
        self.output_bound, largest_sum = exact_layers.output_bounds(name, self.layers, precision, input_bound)
        # Layers up to the first convolution after the last enlargement run on whole planes.
        enlarged = max((n + 1 for n, layer in enumerate(self.layers) if isinstance(layer, Enlarge)), default=0)
        later = (n for n, layer in enumerate(self.layers) if n >= enlarged and isinstance(layer, Convolution))
        self._whole = next(later, len(self.layers))
        self._gathered = None
        if self._whole < len(self.layers):
            single = largest_sum <= exact_layers.LARGEST_SINGLE_SUM
            self._gathered = GatheredLayers(self.layers[self._whole :], precision, single=single)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output on the whole plane: (B, C, H, W) to (B, P, H', W'), integers in float64."""
        for layer in self.layers:
            x = self._apply(layer, x)
        return x

    def forward_rows(self, x: Tensor, first: int, stop: int) -> Tensor:
        """Compute rows [first, stop) of the output from the input rows that they depend on.

        Args:
            x: (C, H, W) integers, float64.
            first: row of the output plane.
            stop: one past the last row.

        Returns:
            (P, stop - first, W') integers, float64; equal to those rows of `forward`.
        """
        window = self.window(first, stop, x.shape[1])
        found = self.forward(x[None, :, window.start : window.stop])[0]
        return found[:, first - window.offset : stop - window.offset]

    def window(self, first: int, stop: int, height: int) -> RowWindow:
        """Rows of an input plane of a given height that rows [first, stop) of the output depend on."""
        start, end, up, down = first, stop, 1, 1
        for layer in reversed(self.layers):
            if isinstance(layer, Enlarge):
                start, end, up = start // 2, -(-end // 2), 2 * up
            elif isinstance(layer, Convolution):
                top, stride = layer.pad[2], layer.stride
                start, end = start * stride - top, (end - 1) * stride - top + layer.weight.shape[2]
                down *= stride
        # If every stride divides the first row, all layers read their rows at the same offsets as in the whole plane.
        start = max(start, 0) // down * down
        return RowWindow(start, min(end, height), start // down * up)

    def forward_at(self, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Compute the output at some positions only, with only the inputs that these positions depend on.

        Args:
            x: (C, H, W) integers, float64, or float32 where it holds them exactly.
            rows: (N,) int64, rows of the output plane.
            columns: (N,) int64, columns of the output plane.

        Returns:
            (N, P) integers, float64; equal to `forward` at these positions.
        """
        plane = x[None].double() if self._whole else x[None]
        for layer in self.layers[: self._whole]:
            plane = self._apply(layer, plane)
        if self._gathered is None:
            return plane[0][:, rows, columns].t()
        return self._gathered.at(plane[0], rows, columns)

    def output_size(self, h: int, w: int) -> tuple[int, int]:
        """Height and width of the output for an input of h × w."""
        for layer in self.layers:
            if isinstance(layer, Enlarge):
                h, w = 2 * h, 2 * w
            elif isinstance(layer, Convolution):
                h, w = layer.output_size(h, w)
        return h, w

    def _apply(self, layer: Layer, x: Tensor) -> Tensor:
        if isinstance(layer, Convolution):
            padded = F.pad(x, layer.pad) if any(layer.pad) else x
            return self._rescale(exact_layers.exact_convolution(padded, layer.weight, layer.bias, layer.stride))
        if isinstance(layer, Leaky):
            return layer.apply(x.clone())
        if layer.shuffle:
            return F.pixel_shuffle(x, 2)
        return x.repeat_interleave(2, -2).repeat_interleave(2, -1)

    def _rescale(self, sums: Tensor) -> Tensor:
        """Convert sums to activations: floor(sum / 2^weight_bits + 1/2), clamped; in place."""
        bits, clamp = self.precision.weight_bits, self.precision.clamp
        return sums.add_(2.0 ** (bits - 1)).mul_(2.0**-bits).floor_().clamp_(-clamp, clamp)


@dataclass(frozen=True)
class RowWindow:
    """Rows [start, stop) of an input plane; `offset` is the output row that a network on these rows calls row 0."""

    start: int
    stop: int
    offset: int
