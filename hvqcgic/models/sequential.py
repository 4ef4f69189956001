"""Layers that freeze to integers exactly: what hyper-synthesis and context networks are built of (design, section 4).

Convolutions with explicit zero padding and a clamp, leaky ReLU whose slope is a power of two, and pixel shuffle. The
float network clamps where the integer network does, so that the two differ by rounding alone.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

ACTIVATION_LIMIT = 32.0
"""Magnitude to which every convolution's result is clamped."""

SLOPE_SHIFT = 3
"""Leaky ReLU multiplies negative values by 2^-3."""


class ClampedConv(nn.Module):
    """Zero padding (left, right, top, bottom), valid convolution, clamp to +-32."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, offset: tuple[int, int] = (0, 0)
    ) -> None:
        """A convolution whose output (i, j) is centred on input (stride i + row, stride j + column) of `offset`."""
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride)
        half = kernel // 2
        row, column = offset
        self.pad = (half - column, half + column, half - row, half + row)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h / stride, w / stride)."""
        return self.convolution(F.pad(x, self.pad)).clamp(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)


class PowerLeaky(nn.Module):
    """x for x >= 0, else x / 2^3."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return F.leaky_relu(x, 2.0**-SLOPE_SHIFT)


def describe(network: nn.Sequential) -> list[tuple[object, ...]]:
    """The layers as plain tuples, as `hvqcgic.entropy.freeze` takes them.

    Returns:
        for each layer ("conv", weight (O, I, kh, kw), bias (O,), stride, pad (left, right, top, bottom)),
        ("leaky", shift) or ("shuffle",); arrays are float64 numpy.
    Raises:
        TypeError: a layer has no integer twin.
    """
    layers: list[tuple[object, ...]] = []
    for layer in network:
        if isinstance(layer, ClampedConv):
            convolution = layer.convolution
            assert convolution.bias is not None
            weight = convolution.weight.detach().double().cpu().numpy()
            bias = convolution.bias.detach().double().cpu().numpy()
            layers.append(("conv", weight, bias, convolution.stride[0], layer.pad))
        elif isinstance(layer, PowerLeaky):
            layers.append(("leaky", SLOPE_SHIFT))
        elif isinstance(layer, nn.PixelShuffle):
            layers.append(("shuffle",))
        else:
            raise TypeError(f"{type(layer).__name__} has no integer twin; build frozen networks of models.sequential")
    return layers
