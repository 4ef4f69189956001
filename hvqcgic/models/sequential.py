"""Layers that can be frozen to integers exactly, for hyper-synthesis and context networks (design, section 4).

The layers are convolutions with explicit zero padding and a clamp, leaky ReLU with a power of two as slope, pixel
shuffle, and repetition. The float network clamps at the same places as the integer network, so the two differ only by
rounding.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACTIVATION_LIMIT = 32.0
"""Magnitude to which every convolution's result is clamped where a configuration does not say otherwise."""

SLOPE_SHIFT = 3
"""Leaky ReLU multiplies negative values by 2^-3."""


class ClampedConv(nn.Module):
    """Zero padding (left, right, top, bottom), valid convolution, clamp to +-limit.

    Attributes:
        limit: the largest magnitude of a result; `HvqModel` sets it.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        offset: tuple[int, int] = (0, 0),
        centred: int = 0,
    ) -> None:
        """Create a convolution whose output (i, j) is centred on input (stride i, stride j) + `offset`.

        The first `centred` inputs are read at that place alone: their other weights are 0, and are not computed where
        a frozen network is run.
        """
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride)
        self.centred, self.limit = centred, ACTIVATION_LIMIT
        half = kernel // 2
        row, column = offset
        self.pad = (half - column, half + column, half - row, half + row)

    def weight(self) -> Tensor:
        """Weights, (outputs, inputs, kernel, kernel), 0 where they do not count."""
        weight = self.convolution.weight
        if not self.centred:
            return weight
        half = weight.shape[-1] // 2
        middle = F.pad(weight[:, : self.centred, half : half + 1, half : half + 1], (half, half, half, half))
        return torch.cat([middle, weight[:, self.centred :]], 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h / stride, w / stride)."""
        convolution = self.convolution
        sums = F.conv2d(F.pad(x, self.pad), self.weight(), convolution.bias, stride=convolution.stride)
        return sums.clamp(-self.limit, self.limit)


class PowerLeaky(nn.Module):
    """x for x >= 0, else x / 2^3."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to any shape."""
        return F.leaky_relu(x, 2.0**-SLOPE_SHIFT)


class Repeat(nn.Module):
    """Twice the height and width: every value four times."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, C, 2 h, 2 w)."""
        return F.interpolate(x, scale_factor=2.0, mode="nearest")


def describe(network: nn.Sequential) -> list[tuple[object, ...]]:
    """Describe the layers as plain tuples, the form that `hvqcgic.entropy.freeze` takes.

    Returns:
        for each layer ("conv", weight (O, I, kh, kw), bias (O,), stride, pad (left, right, top, bottom)),
        ("leaky", shift), ("shuffle",) or ("upsample",); arrays are float64 numpy.
    Raises:
        TypeError: a layer has no integer form.
    """
    layers: list[tuple[object, ...]] = []
    for layer in network:
        if isinstance(layer, ClampedConv):
            convolution = layer.convolution
            assert convolution.bias is not None
            weight = layer.weight().detach().double().cpu().numpy()
            bias = convolution.bias.detach().double().cpu().numpy()
            layers.append(("conv", weight, bias, convolution.stride[0], layer.pad))
        elif isinstance(layer, PowerLeaky):
            layers.append(("leaky", SLOPE_SHIFT))
        elif isinstance(layer, nn.PixelShuffle):
            layers.append(("shuffle",))
        elif isinstance(layer, Repeat):
            layers.append(("upsample",))
        else:
            raise TypeError(f"{type(layer).__name__} has no integer twin; build frozen networks of models.sequential")
    return layers
