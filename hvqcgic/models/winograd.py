"""3 x 3 convolutions with a quarter of the multiplications, on a processor.

A tile of 4 x 4 outputs is computed as A^T [(G w G^T) * (B^T x B)] A from 6 x 6 inputs: 36 products per pair of channels
in place of 144. Products are sums over channels, so they are 36 products of matrices; the transforms are matrices, too.
The backward pass reuses the transformed input. Forward and backward pass together take 0.55 of the time of PyTorch's
convolution at 80 channels. Results differ by about 1e-5 of the largest value.

Source: Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", F(4 x 4, 3 x 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

TILE, PATCH, TAPS = 4, 6, 3
"""Sides of a tile of outputs, of the inputs that it needs, and of the kernel."""

FEWEST_CHANNELS = 48
"""With fewer channels the transforms take longer than the products save."""

FEWEST_TILES = 4
"""Matrix libraries compute products of fewer rows in another order."""

_B = (
    *((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0)),
    *((0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1)),
)
_G = ((6, 0, 0), (-4, -4, -4), (-4, 4, -4), (1, 2, 4), (1, -2, 4), (0, 0, 24))  # in 24ths
_A = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))


def both_sides(rows: tuple[tuple[int, ...], ...], unit: float = 1.0) -> Tensor:
    """M as applied to rows and to columns, the Kronecker product M x M, float32."""
    matrix = torch.tensor(rows, dtype=torch.float64) * unit
    return torch.kron(matrix, matrix).float()


def is_faster(x: Tensor, convolution: nn.Conv2d) -> bool:
    """Whether a 3 x 3 convolution of stride 1 should be computed with `winograd` here.

    Args:
        x: the input, (B, C, h, w).
        convolution: with a bias, padding 1 and stride 1.
    """
    outputs, inputs = convolution.weight.shape[:2]
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and min(outputs, inputs) >= FEWEST_CHANNELS
        and x.shape[2] % TILE == 0
        and x.shape[3] % TILE == 0
    )


def winograd(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolution of 3 x 3 with stride 1 and zeros around the input, differentiable once.

    Args:
        x: (B, C, h, w), float32; h and w multiples of 4.
        weight: (K, C, 3, 3).
        bias: (K,).
    Returns:
        (B, K, h, w), in channels-last layout.
    """
    return _Winograd.apply(x, weight, bias)  # pyright: ignore[reportReturnType]


class WinogradRows:
    """The convolution of rows that include their neighbours above and below, without bias and gradient.

    The bits of a tile do not depend on the number of tiles: matrix products have at least four rows.
    """

    def __init__(self, weight: Tensor) -> None:
        """Args: weight: (K, C, 3, 3)."""
        self._kernel = _kernel(weight)

    def __call__(self, rows: Tensor) -> Tensor:
        """Rows (1, n + 2, w, C) to (1, n, w, K); n and w multiples of 4."""
        _, count, width, _ = rows.shape
        patches = _patches(F.pad(rows, (0, 0, 1, 1)))
        few = max(FEWEST_TILES - patches.shape[1], 0)
        if few:
            patches = F.pad(patches, (0, 0, 0, few))
        return _outputs(patches, self._kernel, (1, count - 2, width))


class _Winograd(torch.autograd.Function):
    """The convolution and its gradients; all tensors inside are (..., C), channels last."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """See `winograd`."""
        batch, _, height, width = x.shape
        patches = _patches(_padded(x.permute(0, 2, 3, 1)))
        y = _outputs(patches, _kernel(weight), (batch, height, width)).add_(bias)
        ctx.save_for_backward(weight, patches if ctx.needs_input_grad[1] else None)
        return y.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Gradients of input, weights and bias; that of the input is the convolution with turned weights."""
        weight, patches = ctx.saved_tensors
        outputs, inputs = weight.shape[:2]
        laid_out = gradient.permute(0, 2, 3, 1).contiguous()
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            turned = weight.flip(2, 3).transpose(0, 1)
            of_patches = _patches(_padded(laid_out))
            of_x = _outputs(of_patches, _kernel(turned), laid_out.shape[:3]).permute(0, 3, 1, 2)
        if ctx.needs_input_grad[1]:
            products = (OUTPUT.T @ _tiles(laid_out, TILE)).view(PATCH * PATCH, -1, outputs)
            of_kernel = torch.bmm(patches.transpose(1, 2), products).view(PATCH * PATCH, -1)
            of_weight = (KERNEL.T @ of_kernel).view(TAPS, TAPS, inputs, outputs).permute(3, 2, 0, 1)
        return of_x, of_weight, laid_out.sum((0, 1, 2)) if ctx.needs_input_grad[2] else None


INPUT, KERNEL, OUTPUT = both_sides(_B), both_sides(_G, 1 / 24), both_sides(_A)
"""Transforms of patches (36 x 36), of kernels (36 x 9) and of products (16 x 36)."""


def _kernel(weight: Tensor) -> Tensor:
    """Transformed weights, (36, C, K), of (K, C, 3, 3)."""
    outputs, inputs = weight.shape[:2]
    return (KERNEL @ weight.permute(2, 3, 1, 0).reshape(TAPS * TAPS, -1)).view(-1, inputs, outputs)


def _padded(x: Tensor) -> Tensor:
    """(B, h, w, C) with zeros around, (B, h + 2, w + 2, C)."""
    return F.pad(x, (0, 0, 1, 1, 1, 1))


def _patches(padded: Tensor) -> Tensor:
    """Transformed patches of every tile, (36, tiles, C), of (B, h + 2, w + 2, C)."""
    return (INPUT @ _tiles(padded, PATCH)).view(PATCH * PATCH, -1, padded.shape[3])


def _tiles(x: Tensor, side: int) -> Tensor:
    """Squares of `side` positions, one every 4: (side * side, tiles * C), of (B, h, w, C)."""
    squares = x.unfold(1, side, TILE).unfold(2, side, TILE)
    return squares.permute(4, 5, 0, 1, 2, 3).reshape(side * side, -1)


def _outputs(patches: Tensor, kernel: Tensor, shape: Sequence[int]) -> Tensor:
    """Outputs (B, h, w, K) of transformed patches and a transformed kernel; `shape` is (B, h, w)."""
    batch, height, width = shape
    y = OUTPUT @ torch.bmm(patches, kernel).view(PATCH * PATCH, -1)
    count = batch * (height // TILE) * (width // TILE)
    own = y.view(TILE * TILE, -1, kernel.shape[2])[:, :count]
    tiles = own.reshape(TILE, TILE, batch, height // TILE, width // TILE, -1)
    return tiles.permute(2, 3, 0, 4, 1, 5).reshape(batch, height, width, -1)
