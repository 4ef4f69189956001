"""Layers of exact networks: computation, freezing, reading, and the check of their range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.entropy.integers import smallest_integers
from hvqcgic.errors import ConfigError, ModelError
from hvqcgic.schema import build, check, number

LARGEST_SUM, LARGEST_SINGLE_SUM = 2.0**50, 2.0**24
"""Magnitudes up to which sums of integers are exact in any order: allowed at all (float64), and in float32."""


@dataclass(frozen=True)
class Precision:
    """The integer grids of a frozen network.

    Attributes:
        activation_bits: activations are multiples of 2^-activation_bits.
        weight_bits: weights are multiples of 2^-weight_bits.
        activation_limit: every convolution's result is clamped to ± this value.
    """

    activation_bits: int = 12
    weight_bits: int = 14
    activation_limit: float = 32.0

    @property
    def clamp(self) -> float:
        """The activation limit on the integer grid."""
        return float(int(self.activation_limit * 2**self.activation_bits))


@dataclass(frozen=True)
class LayerSpec:
    """A layer in a model file: a convolution's stride and padding (left, right, top, bottom), a leaky ReLU's shift."""

    kind: Literal["conv", "leaky", "shuffle", "upsample"]
    stride: Literal[1, 2] | None = None
    pad: tuple[int, int, int, int] | None = number(None, high=16)
    shift: int | None = number(None, high=30)

    def __post_init__(self) -> None:
        """Raise `ConfigError` for values out of range, missing or needless."""
        check(self, "layer")
        needed = {"conv": ("stride", "pad"), "leaky": ("shift",)}.get(self.kind, ())
        given = tuple(name for name in ("stride", "pad", "shift") if getattr(self, name) is not None)
        if given != needed:
            raise ConfigError(f"layer {self.kind} has {', '.join(given) or 'nothing'}, needs {', '.join(needed)}")


@dataclass(frozen=True)
class Convolution:
    """Zero padding, valid convolution, exact shift by weight_bits, clamp; weight (O, I, kh, kw), bias (O,), float64."""

    name: str
    weight: Tensor
    bias: Tensor
    stride: int
    pad: tuple[int, int, int, int]

    @property
    def pointwise(self) -> bool:
        """Whether each output depends only on the input at its own position."""
        return self.weight.shape[2:] == (1, 1) and self.stride == 1 and self.pad == (0, 0, 0, 0)

    @property
    def centre(self) -> tuple[int, int]:
        """Row and column of the middle weight."""
        return self.weight.shape[2] // 2, self.weight.shape[3] // 2

    def centred_inputs(self) -> int:
        """Number of leading inputs of which only the middle weight is not 0; at least one input is not counted."""
        row, column = self.centre
        around = self.weight != 0
        around[:, :, row, column] = False
        looks = around.flatten(2).any(2).any(0).tolist()
        return looks.index(True) if True in looks else len(looks) - 1

    def output_size(self, h: int, w: int) -> tuple[int, int]:
        """Height and width of the output for an input of h × w."""
        left, right, top, bottom = self.pad
        kernel_h, kernel_w = self.weight.shape[2:]
        return (h + top + bottom - kernel_h) // self.stride + 1, (w + left + right - kernel_w) // self.stride + 1


@dataclass(frozen=True)
class Leaky:
    """x where x >= 0, else floor(x / 2^shift)."""

    shift: int

    def apply(self, x: Tensor) -> Tensor:
        """Apply to integers in float64 of any shape, in place."""
        return F.leaky_relu_(x, 2.0**-self.shift).floor_()


@dataclass(frozen=True)
class Enlarge:
    """Enlarge to twice the size, by pixel shuffle or by repeating the nearest value."""

    shuffle: bool


Layer = Convolution | Leaky | Enlarge


def exact_convolution(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """Compute a valid convolution of integers in float64.

    Args:
        x: (B, I, H, W) integers, float64.
        weight: (O, I, kh, kw) integers, float64.
        bias: (O,) integers, float64.
        stride: 1 or 2.

    Returns:
        (B, O, H', W') integers, float64. Rounding removes errors of transform-based algorithms, far below one half.
    """
    return F.conv2d(x, weight, bias, stride=stride).round_()


def exact_product(weight: Tensor, x: Tensor, bias: Tensor) -> Tensor:
    """(O, I) times (I, N) plus (O, 1): multiples of one power of two, whose sums are exact in any order."""
    return torch.addmm(bias, weight, x)


class Product:
    """A convolution as a matrix product with its receptive fields.

    Shift and rounding are folded into the numbers: weights and bias carry the power of two, which changes no digit, and
    the bias carries the half of the rounding.
    """

    def __init__(
        self, layer: Convolution, precision: Precision, centred: int = 0, *, dtype: torch.dtype = torch.float64
    ) -> None:
        """Create the matrices.

        Args:
            layer: provides the weights.
            precision: the shift and the clamp.
            centred: inputs apart from `x`.
            dtype: float64, or float32 where all sums stay below `LARGEST_SINGLE_SUM`.
        """
        unit = 2.0**-precision.weight_bits
        self.matrix = (layer.weight[:, centred:].permute(0, 2, 3, 1).flatten(1) * unit).to(dtype).contiguous()
        row, column = layer.centre
        self._middle = (layer.weight[:, :centred, row, column] * unit).to(dtype).contiguous()
        self._bias = (layer.bias[:, None] * unit + 0.5).to(dtype)
        self._clamp = precision.clamp

    def apply(self, x: Tensor, middle: Tensor | None = None) -> Tensor:
        """Compute activations (O, N).

        Args:
            x: receptive fields of N positions, (kernel · (I - centred), N), in kernel rows.
            middle: centred inputs of the positions, (centred, N); None without any.
        """
        sums = exact_product(self.matrix, x, self._bias)
        if middle is not None:
            sums = exact_product(self._middle, middle, sums)
        return sums.floor_().clamp_(-self._clamp, self._clamp)


def freeze_network(
    name: str, layers: Sequence[tuple[Any, ...]], precision: Precision
) -> tuple[list[dict[str, Any]], dict[str, NDArray[Any]]]:
    """Convert a network's float description to a spec and integer arrays for `ExactNetwork`.

    Args:
        name: such as "synthesis.coarse".
        layers: ("conv", weight (O, I, kh, kw), bias (O,), stride, pad (left, right, top, bottom)), ("leaky", shift),
            ("shuffle",) or ("upsample",) each.
        precision: the integer grids.

    Raises:
        ModelError: a layer's kind is unknown, or a weight is not a finite number.
    """
    spec: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    convolutions = 0
    for kind, *values in layers:
        if kind == "conv":
            weight, bias, stride, pad = values
            conv = f"{name}.conv{convolutions}"
            convolutions += 1
            bias_bits = precision.weight_bits + precision.activation_bits
            arrays[f"{conv}.weight"] = smallest_integers(weight, precision.weight_bits, f"{conv}.weight")
            arrays[f"{conv}.bias"] = smallest_integers(bias, bias_bits, f"{conv}.bias")
            spec.append({"kind": "conv", "stride": int(stride), "pad": [int(p) for p in pad]})
        elif kind == "leaky":
            spec.append({"kind": "leaky", "shift": int(values[0])})
        elif kind in ("shuffle", "upsample"):
            spec.append({"kind": kind})
        else:
            raise ModelError(f"{name}: layer {kind!r} has no integer form; use conv, leaky, shuffle or upsample")
    return spec, arrays


def read_layers(
    name: str, spec: Sequence[LayerSpec | Mapping[str, Any]], arrays: Mapping[str, NDArray[Any]]
) -> list[Layer]:
    """Read the layers of `freeze_network`; raise ModelError if they are unknown or do not fit their arrays."""
    layers: list[Layer] = []
    convolutions = 0
    for entry in spec:
        try:
            layer = build(LayerSpec, entry, "layer")
        except ConfigError as error:
            raise ModelError(f"{name}: {error}; the model file is damaged or newer than this") from error
        if layer.kind == "conv" and layer.pad and layer.stride:
            conv = f"{name}.conv{convolutions}"
            convolutions += 1
            weight = torch.from_numpy(arrays[f"{conv}.weight"].astype(np.float64))
            bias = torch.from_numpy(arrays[f"{conv}.bias"].astype(np.float64))
            if weight.ndim != 4 or bias.shape != weight.shape[:1]:
                raise ModelError(f"{conv}: weight {tuple(weight.shape)}, bias {tuple(bias.shape)} do not fit")
            layers.append(Convolution(conv, weight, bias, layer.stride, layer.pad))
        elif layer.shift is not None:
            layers.append(Leaky(layer.shift))
        else:
            layers.append(Enlarge(layer.kind == "shuffle"))
    return layers


def output_bounds(
    name: str, layers: Sequence[Layer], precision: Precision, bound: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Bounds of what any input could cause; sums that could leave the exact range are refused.

    Returns:
        the largest magnitude of each output channel, (P,), and that of any sum.
    """
    largest_of_all = 0.0
    for layer in layers:
        if isinstance(layer, Convolution):
            if layer.weight.shape[1] != len(bound):
                raise ModelError(f"{layer.name} takes {layer.weight.shape[1]} channels, its input has {len(bound)}")
            sums = np.abs(layer.weight.numpy()).sum((2, 3)) @ bound + np.abs(layer.bias.numpy())
            largest = float(sums.max()) + 2.0**precision.weight_bits
            if not largest <= LARGEST_SUM:
                raise ModelError(
                    f"{layer.name}: sums may reach 2^{np.log2(largest):.1f}, exact are 2^50; "
                    "train with smaller weights or freeze with fewer bits"
                )
            largest_of_all = max(largest_of_all, largest)
            bound = np.minimum(np.ceil(sums * 2.0**-precision.weight_bits) + 1, precision.clamp)
        elif isinstance(layer, Enlarge) and layer.shuffle:
            if len(bound) % 4:
                raise ModelError(f"{name}: pixel shuffle needs a multiple of 4 channels, found {len(bound)}")
            bound = bound.reshape(-1, 4).max(1)
    return bound, largest_of_all
