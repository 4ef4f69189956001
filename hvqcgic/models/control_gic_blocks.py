"""Building blocks of Control-GIC's encoder and decoder; weights have the names of the published state dict.

    residual   x + conv2(swish(norm2(conv1(swish(norm1(x))))))
    attention  x + proj_out(attention over all positions of norm(x))
    middle     residual, attention, residual

A norm is a group norm (encoder), or a spatial norm (decoder): the group norm, scaled and shifted by 1x1 convolutions of
the codes q. Without gradient, large maps are computed in bands of rows, so that little memory is needed beside input
and output.

Source: Control-GIC (architecture); MoVQ (spatial norm). Written from a description of the network.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPS = 1e-6

BAND_ELEMENTS = 1 << 25
"""Elements of a map that are normalised or convolved at once without gradient."""

SCORE_ELEMENTS = 1 << 28
"""Largest number of attention scores of one call, for a backend that stores them all."""

Rows = Callable[[int, int], Tensor]
"""Function that returns rows [start, stop) of a map, (B, C, stop - start, W)."""


class PlainNorm(nn.GroupNorm):
    """Group norm of the encoder."""

    def __init__(self, channels: int, groups: int) -> None:
        """Args: channels: in and out; groups: normalised together."""
        super().__init__(groups, channels, NORM_EPS)

    def forward(self, input: Tensor, q: Tensor | None = None) -> Tensor:
        """(B, C, h, w) to the same shape; q is ignored."""
        return super().forward(input)

    def rows(self, x: Tensor, q: Tensor | None = None) -> Rows:
        """The norm of x, (B, C, h, w), row by row: statistics come first, so that the whole map is never stored."""
        mean, spread = group_statistics(x, self.num_groups, self.eps)
        scale = self.weight[:, None, None] / spread
        shift = self.bias[:, None, None] - mean * scale
        return lambda start, stop: x[:, :, start:stop].mul(scale).add_(shift)


class SpatialNorm(nn.Module):
    """Group norm of the decoder, scaled and shifted by functions of the codes at each position."""

    def __init__(self, channels: int, groups: int, code_width: int) -> None:
        """Args: channels: in and out; groups: normalised together; code_width: d, channels of q."""
        super().__init__()
        self.norm_layer = PlainNorm(channels, groups)
        self.conv_y = nn.Conv2d(code_width, channels, 1)
        self.conv_b = nn.Conv2d(code_width, channels, 1)

    def forward(self, x: Tensor, q: Tensor) -> Tensor:
        """(B, C, h, w) and codes (B, d, H/4, W/4) to (B, C, h, w)."""
        return self._condition(self.norm_layer(x), *self._factors(x, q), 0)

    def rows(self, x: Tensor, q: Tensor) -> Rows:
        """See `forward`, row by row."""
        normalised = self.norm_layer.rows(x)
        scale, shift = self._factors(x, q)
        return lambda start, stop: self._condition(normalised(start, stop), scale, shift, start)

    def _factors(self, x: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift at the codes' positions; on a coarser x at the top left code of each position."""
        step = max(1, q.shape[-1] // x.shape[-1])
        q = q[..., ::step, ::step]
        return self.conv_y(q), self.conv_b(q)

    def _condition(self, x: Tensor, scale: Tensor, shift: Tensor, start: int) -> Tensor:
        """Scale and shift rows of a normalised map from `start` on, with factors repeated to its size."""
        batch, channels, height, width = x.shape
        repeats = width // scale.shape[-1]
        row = torch.arange(start, start + height, device=x.device) // repeats
        scale, shift = (factor.index_select(2, row)[..., None] for factor in (scale, shift))
        x = x.view(batch, channels, height, width // repeats, repeats)
        x = x * scale + shift if torch.is_grad_enabled() else x.mul_(scale).add_(shift)
        return x.view(batch, channels, height, width)


Norm = PlainNorm | SpatialNorm


def group_statistics(x: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel's group, (B, C, 1, 1) each, of x (B, C, h, w), in two passes."""
    batch, channels, height, width = x.shape
    count = channels // groups * height * width
    grouped = x.view(batch, groups, -1)
    mean = grouped.mean(2)
    square = torch.zeros_like(mean)
    for item in range(batch):
        for group in range(groups):
            square[item, group] = (grouped[item, group] - mean[item, group]).square_().sum()
    spread = (square / count + eps).sqrt()
    mean, spread = (value.repeat_interleave(channels // groups, 1)[..., None, None] for value in (mean, spread))
    return mean, spread


def convolve_bands(convolution: nn.Conv2d, rows: Rows, height: int, band: int) -> Tensor:
    """Compute a convolution of stride 1 that keeps the size, `band` rows at a time.

    Args:
        convolution: its padding is half its kernel.
        rows: its input.
        height: of the input.
        band: number of output rows computed at once.
    Returns:
        (B, outputs, height, W).
    """
    halo = convolution.kernel_size[0] // 2
    if band >= height:
        return convolution(rows(0, height))
    found = torch.empty(0)
    for start in range(0, height, band):
        stop, low = min(start + band, height), max(start - halo, 0)
        part = convolution(rows(low, min(stop + halo, height)))[:, :, start - low : stop - low]
        if start == 0:
            found = part.new_empty(*part.shape[:2], height, part.shape[3])
        found[:, :, start:stop] = part
    return found


def band_height(elements: int, height: int) -> int:
    """Rows of a band for a map with this number of elements and rows; all rows if gradients are needed."""
    return height if torch.is_grad_enabled() else max(1, min(height, height * BAND_ELEMENTS // max(elements, 1)))


def swish_convolution(norm: Norm, convolution: nn.Conv2d, x: Tensor, q: Tensor | None = None) -> Tensor:
    """convolution(swish(norm(x))), (B, C, h, w) to (B, outputs, h, w); swish is x sigmoid(x)."""
    height = x.shape[2]
    band = band_height(x.numel(), height)
    if band == height:
        return convolution(F.silu(norm(x, q), inplace=not torch.is_grad_enabled()))  # pyright: ignore[reportArgumentType]
    normalised = norm.rows(x, q)  # pyright: ignore[reportArgumentType]
    return convolve_bands(convolution, lambda low, high: F.silu(normalised(low, high), inplace=True), height, band)


def add(x: Tensor, y: Tensor) -> Tensor:
    """Sum of x and y, in the memory of x if no gradient needs it."""
    return x + y if torch.is_grad_enabled() else x.add_(y)


class ResidualBlock(nn.Module):
    """Two normalised convolutions beside a shortcut, which is a 1x1 convolution if the widths differ."""

    def __init__(self, inputs: int, outputs: int, norm: Callable[[int], Norm]) -> None:
        """Args: inputs, outputs: channels; norm: builds a norm for a number of channels."""
        super().__init__()
        self.norm1 = norm(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor, q: Tensor | None = None) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h, w); q are the codes for spatial norms."""
        h = swish_convolution(self.norm2, self.conv2, swish_convolution(self.norm1, self.conv1, x, q), q)
        if self.nin_shortcut is not None:
            band = band_height(x.numel(), x.shape[2])
            x = convolve_bands(self.nin_shortcut, lambda low, high: x[:, :, low:high], x.shape[2], band)
        return add(h, x)


class AttentionBlock(nn.Module):
    """One head of attention from every position to every position."""

    def __init__(self, channels: int, norm: Callable[[int], Norm]) -> None:
        """Args: channels: in and out; norm: builds a norm for a number of channels."""
        super().__init__()
        self.norm = norm(channels)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor, q: Tensor | None = None) -> Tensor:
        """(B, C, h, w) to the same shape; q are the codes for a spatial norm."""
        tokens = self.norm(x, q).flatten(2).transpose(1, 2)
        queries, keys, values = (per_position(layer, tokens) for layer in (self.q, self.k, self.v))
        del tokens
        found = per_position(self.proj_out, attend(queries, keys, values))
        return x + found.transpose(1, 2).view_as(x)


def per_position(layer: nn.Conv2d, tokens: Tensor) -> Tensor:
    """Apply a 1x1 convolution to positions laid out as rows, (B, N, C) to (B, N, outputs)."""
    return F.linear(tokens, layer.weight.flatten(1), layer.bias)


def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """softmax(queries keys^T / sqrt(C)) values, (B, N, C) each.

    Queries are processed in chunks, so that memory is bounded with a backend that stores all scores of a call.
    """
    chunk = max(1, SCORE_ELEMENTS // (keys.shape[0] * keys.shape[1]))
    if chunk >= queries.shape[1]:
        return F.scaled_dot_product_attention(queries[:, None], keys[:, None], values[:, None])[:, 0]
    parts = [
        F.scaled_dot_product_attention(rows[:, None], keys[:, None], values[:, None])[:, 0]
        for rows in queries.split(chunk, 1)
    ]
    return torch.cat(parts, 1)


class Middle(nn.Module):
    """Residual block, attention, residual block."""

    def __init__(self, channels: int, norm: Callable[[int], Norm]) -> None:
        """Args: channels: in and out; norm: builds a norm for a number of channels."""
        super().__init__()
        self.block_1 = ResidualBlock(channels, channels, norm)
        self.attn_1 = AttentionBlock(channels, norm)
        self.block_2 = ResidualBlock(channels, channels, norm)

    def forward(self, x: Tensor, q: Tensor | None = None) -> Tensor:
        """(B, C, h, w) to the same shape; q are the codes for spatial norms."""
        return self.block_2(self.attn_1(self.block_1(x, q), q), q)


class Downsample(nn.Module):
    """Reduce to half the size: zero padding at right and bottom only, then a convolution of stride 2."""

    def __init__(self, channels: int) -> None:
        """Args: channels: in and out."""
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w), of even sides, to (B, C, h / 2, w / 2)."""
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Enlarge to twice the size: nearest-neighbour repetition, then a convolution."""

    def __init__(self, channels: int) -> None:
        """Args: channels: in and out."""
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, C, 2 h, 2 w)."""
        height = 2 * x.shape[2]
        return convolve_bands(self.conv, partial(_doubled_rows, x), height, band_height(4 * x.numel(), height))


def _doubled_rows(x: Tensor, low: int, high: int) -> Tensor:
    """Rows [low, high) of the twofold enlargement of x."""
    rows = x[:, :, low // 2 : -(-high // 2)]
    enlarged = F.interpolate(rows, scale_factor=2.0, mode="nearest")
    return enlarged[:, :, low % 2 : low % 2 + high - low]


class Level(nn.Module):
    """Residual blocks of one resolution, with optional attention after each."""

    def __init__(self, inputs: int, outputs: int, count: int, *, attention: bool, norm: Callable[[int], Norm]) -> None:
        """Args: inputs, outputs: channels; count: of blocks; attention: after each block; norm: builds a norm."""
        super().__init__()
        widths = [inputs, *[outputs] * count]
        self.block = nn.ModuleList(ResidualBlock(widths[i], outputs, norm) for i in range(count))
        self.attn = nn.ModuleList(AttentionBlock(outputs, norm) for _ in range(count if attention else 0))

    def forward(self, x: Tensor, q: Tensor | None = None) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h, w); q are the codes for spatial norms."""
        for place, block in enumerate(self.block):
            x = block(x, q)
            if len(self.attn):
                x = self.attn[place](x, q)
        return x
