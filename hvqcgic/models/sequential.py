"""Layers that can be frozen to integers exactly, for hyper-synthesis and context networks (design, section 4).

The layers are convolutions with explicit zero padding and a clamp, leaky ReLU with a power of two as slope, and pixel
shuffle. The float network clamps at the same places as the integer network, so the two differ only by rounding.
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
        """Create a convolution whose output (i, j) is centred on input (stride i, stride j) + `offset`."""
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
        """Apply to any shape."""
        return F.leaky_relu(x, 2.0**-SLOPE_SHIFT)


def describe(network: nn.Sequential) -> list[tuple[object, ...]]:
    """Describe the layers as plain tuples, the form that `hvqcgic.entropy.freeze` takes.

    Returns:
        for each layer ("conv", weight (O, I, kh, kw), bias (O,), stride, pad (left, right, top, bottom)),
        ("leaky", shift) or ("shuffle",); arrays are float64 numpy.
    Raises:
        TypeError: a layer has no integer form.
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
