"""Control-GIC's decoder: three stems over all positions, pooled to their grids, and a pyramid that combines them.

    codes -> coarse stem -> pool 4 -> H/16 -> H/8 (coarse cells kept, medium stem on medium cells, zero on fine ones)
          -> medium stem -> pool 2 ----------/     \
          -> fine stem --------------------------> H/4 (fine stem on fine cells) -> H/2 -> H -> picture

Source: Control-GIC, eq. 7; where paper and published code differ, this module follows the code.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvqcgic.models.config import ControlGicConfig
from hvqcgic.models.control_gic_blocks import Level, Middle, SpatialNorm, Upsample, add, swish_convolution
from hvqcgic.models.control_gic_encoder import BRANCHES
from hvqcgic.models.granularity import GranularityMap, repeat

POOLING = {"fine": 1, "medium": 2, "coarse": 4}
"""Pooling factor from the grid of H/4 to the grid of each granularity."""


class ControlGicDecoder(nn.Module):
    """g_s: assembled codes and masks to a picture."""

    def __init__(self, config: ControlGicConfig, code_width: int) -> None:
        """Args: config: widths and blocks; code_width: d."""
        super().__init__()
        self.input_range = config.input_range
        norm = partial(SpatialNorm, groups=config.norm_groups, code_width=code_width)
        widths = config.widths
        self.post_quant_conv = nn.Conv2d(code_width, code_width, 1)
        for suffix in BRANCHES.values():
            self.add_module(f"conv_in{suffix}", nn.Conv2d(code_width, widths[-1], 3, padding=1))
            self.add_module(f"mid{suffix}", Middle(widths[-1], norm))
        self.up = nn.ModuleList()
        for place, width in enumerate(widths):
            level = Level(
                widths[min(place + 1, len(widths) - 1)],
                width,
                config.blocks + 1,
                attention=place in config.attention_levels,
                norm=norm,
            )
            if place > 0:
                level.upsample = Upsample(width)
            self.up.append(level)
        self.norm_out = norm(widths[0])
        self.conv_out = nn.Conv2d(widths[0], 3, 3, padding=1)

    @property
    def to_picture(self) -> nn.Conv2d:
        """The last layer, at which training compares gradients."""
        return self.conv_out

    def forward(self, y_hat: Tensor, masks: GranularityMap, parameters: Tensor | None = None) -> Tensor:
        """Decode codes to a picture.

        Args:
            y_hat: assembled codes, (B, d, H/4, W/4).
            masks: the granularity map.
            parameters: ignored, see `ConditionalDecoder`.
        Returns:
            (B, 3, H, W), about [0, 1], not clamped.
        """
        values = self.decode(y_hat, masks)
        return values if self.input_range == "unit" else values * 0.5 + 0.5

    def decode(self, q: Tensor, masks: GranularityMap) -> Tensor:
        """Decode to the network's range of values, (B, 3, H, W); arguments as in `forward`."""
        z = self.post_quant_conv(q)
        x = self._sixteenth(z, q, masks)
        x = self._take_in(x, "medium", z, q, known=repeat(masks.coarse, 2), mask=masks.medium)
        x = self._climb(x, 3, q)
        x = self._take_in(x, "fine", z, q, known=~masks.fine, mask=masks.fine)
        for place in (2, 1):
            x = self._climb(x, place, q)
        return swish_convolution(self.norm_out, self.conv_out, self.up[0](x, q), q)

    def branch(self, granularity: str, z: Tensor, q: Tensor) -> Tensor:
        """A stem: the contribution of one granularity, pooled to its grid.

        Args:
            granularity: its name.
            z: codes after `post_quant_conv`, (B, d, H/4, W/4).
            q: the codes, for the spatial norms.
        Returns:
            (B, C, h_g, w_g).
        """
        suffix, pooling = BRANCHES[granularity], POOLING[granularity]
        x = self.get_submodule(f"mid{suffix}")(self.get_submodule(f"conv_in{suffix}")(z), q)
        return F.avg_pool2d(x, pooling) if pooling > 1 else x

    def _climb(self, x: Tensor, place: int, q: Tensor) -> Tensor:
        """Apply one level of the pyramid and enlarge to twice the size."""
        level = self.up[place]
        return level.upsample(level(x, q))  # pyright: ignore[reportCallIssue]

    def _sixteenth(self, z: Tensor, q: Tensor, masks: GranularityMap) -> Tensor:
        """Path from codes to H/8, before medium cells; zeros if no cell is coarse, because then none of it is used."""
        if needed(masks.coarse):
            return self._climb(self.branch("coarse", z, q), 4, q)
        height, width = masks.medium.shape[-2:]
        return z.new_zeros(len(z), self.conv_in.weight.shape[0], height, width)  # pyright: ignore

    def _take_in(self, x: Tensor, granularity: str, z: Tensor, q: Tensor, *, known: Tensor, mask: Tensor) -> Tensor:
        """Keep x on coarser cells, insert a stem's output on cells of its granularity, set 0 elsewhere."""
        x = x * known if torch.is_grad_enabled() else x.mul_(known)
        return add(x, self.branch(granularity, z, q) * mask) if needed(mask) else x


def needed(mask: Tensor) -> bool:
    """Whether any output of a stem is used; a stem's cost grows with the square of the picture's area."""
    return bool(mask.any())
