"""Control-GIC's encoder: a pyramid with attention; its three coarsest levels give the features of the granularities.

    picture -> H -> H/2 -> H/4 -> H/8 -> H/16
                            |      |      |
                          middle middle middle    one stack each: residual, attention, residual
                            |      |      |
                          fine  medium  coarse    -> quant_conv

Source: Control-GIC, section 3.2. The published code first assembles the granularities and then applies the 1x1
convolution `quant_conv`. The convolution commutes with repetition, so the order here gives the same up to rounding.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from hvqcgic.models.config import ControlGicConfig
from hvqcgic.models.control_gic_blocks import Downsample, Level, Middle, PlainNorm, swish_convolution

BRANCHES = {"fine": "_fine", "medium": "", "coarse": "_coarse"}
"""Suffix of weight names for each granularity, in the order of levels 2 to 4; names without one are medium."""


class ControlGicEncoder(nn.Module):
    """g_a: picture to features at H/4, H/8 and H/16."""

    def __init__(self, config: ControlGicConfig, code_width: int) -> None:
        """Args: config: widths and blocks; code_width: d, channels of every feature map."""
        super().__init__()
        self.input_range = config.input_range
        norm = partial(PlainNorm, groups=config.norm_groups)
        widths = config.widths
        self.conv_in = nn.Conv2d(3, config.width, 3, padding=1)
        self.down = nn.ModuleList()
        for place, width in enumerate(widths):
            level = Level(
                (config.width, *widths)[place],
                width,
                config.blocks,
                attention=place in config.attention_levels,
                norm=norm,
            )
            if place < len(widths) - 1:
                level.downsample = Downsample(width)
            self.down.append(level)
        for suffix, width in zip(BRANCHES.values(), widths[2:], strict=True):
            self.add_module(f"mid{suffix}", Middle(width, norm))
            self.add_module(f"norm_out{suffix}", norm(width))
            self.add_module(f"conv_out{suffix}", nn.Conv2d(width, code_width, 3, padding=1))
        self.quant_conv = nn.Conv2d(code_width, code_width, 1)

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        """Compute the features of each granularity at all of its positions.

        Args:
            picture: (B, 3, H, W), in [0, 1]; H and W multiples of 16.
        Returns:
            "fine" (B, d, H/4, W/4), "medium" (B, d, H/8, W/8), "coarse" (B, d, H/16, W/16).
        """
        values = picture if self.input_range == "unit" else picture * 2 - 1
        return {granularity: self.quant_conv(y) for granularity, y in self.branches(values).items()}

    def branches(self, values: Tensor) -> dict[str, Tensor]:
        """Outputs of the three branches, before `quant_conv`; shapes as in `forward`.

        Args:
            values: the picture in the network's range, (B, 3, H, W).
        """
        x, found = self.conv_in(values), {}
        granularities = dict(zip(range(2, 5), BRANCHES, strict=True))
        for place, level in enumerate(self.down):
            x = level(x)
            if place in granularities:
                found[granularities[place]] = self._branch(granularities[place], x)
            if hasattr(level, "downsample"):
                x = level.downsample(x)  # pyright: ignore[reportCallIssue]
        return found

    def _branch(self, granularity: str, x: Tensor) -> Tensor:
        suffix = BRANCHES[granularity]
        middle, norm, last = (self.get_submodule(name + suffix) for name in ("mid", "norm_out", "conv_out"))
        return swish_convolution(norm, last, middle(x))  # pyright: ignore[reportArgumentType]
