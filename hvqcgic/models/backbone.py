"""Analysis transform: a convolutional pyramid whose three levels give the features of the three granularities.

    picture -> unshuffle -> H/2 -> H/4 -> H/8 -> H/16
                                    |      |      |
                                  fine  medium  coarse   features, d channels each

Local operations only: no attention and no normalisation over the picture. The cost is therefore linear in pixels, and
tiles give the same result as the whole picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.models.bf16 import Convolution, in_bf16, runs_in_bf16
from hvqcgic.models.config import BackboneConfig
from hvqcgic.models.strips import add_in_strips, pays
from hvqcgic.models.winograd import is_faster, winograd


def start_normal(weight: Tensor, *, gain: float) -> None:
    """Fills a convolution's weights with normal numbers: outputs are `gain` times as large as inputs.

    Weights without storage (device "meta") stay as they are: to fill nothing, PyTorch would first import its compiler,
    which takes longer than to load a model.
    """
    if not weight.is_meta:
        nn.init.normal_(weight, std=gain / math.sqrt(weight[0].numel()))


class ResidualBlock(nn.Module):
    """x + conv(silu(conv(silu(x)))); the last convolution starts at a tenth, so the block is near identity."""

    def __init__(self, width: int, *, tiled: bool = False) -> None:
        """Args: width: channels in and out; tiled: whether windows of its planes begin at multiples of four."""
        super().__init__()
        self.tiled = tiled
        self.first = Convolution(width, width, 3, padding=1)
        self.second = Convolution(width, width, 3, padding=1)
        for convolution in (self.first, self.second):
            start_normal(convolution.weight, gain=math.sqrt(2))
        self.second.weight.data.mul_(0.1)
        nn.init.zeros_(self.second.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same shape; without gradient, x may be overwritten."""
        if torch.is_grad_enabled():
            return x + _convolve(self.second, F.silu(_convolve(self.first, F.silu(x))))
        if pays(self, x):
            return add_in_strips(self, x)
        if runs_in_bf16(self.first):
            return x.add_(self._in_bf16(x))
        # In place: the same numbers, and fresh memory would cost as much time as the sums.
        return self.second(F.silu(self.first(F.silu(x)), inplace=True)).add_(x)

    def _in_bf16(self, x: Tensor) -> Tensor:
        """Both convolutions, activations in bfloat16, too, as `add_in_strips` computes them."""
        (first, first_bias), (second, second_bias) = in_bf16(self.first), in_bf16(self.second)
        found = F.conv2d(F.silu(x.bfloat16(), inplace=True), first, first_bias, padding=1)
        return F.conv2d(F.silu(found, inplace=True), second, second_bias, padding=1)


def _convolve(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """A block's convolution in training, by the faster of two ways."""
    if is_faster(x, convolution):
        assert convolution.bias is not None
        return winograd(x, convolution.weight, convolution.bias)
    return convolution(x)


def residual_blocks(width: int, count: int, *, tiled: bool = False) -> nn.Sequential:
    """Build `count` residual blocks of `width` channels; `tiled` as in `ResidualBlock`."""
    return nn.Sequential(*(ResidualBlock(width, tiled=tiled) for _ in range(count)))


def level_blocks(widths: Sequence[int], counts: Sequence[int]) -> nn.ModuleList:
    """Residual blocks at H/2, H/4, H/8, H/16; windows of a picture begin at multiples of 16 px, 4 positions of H/4."""
    levels = enumerate(zip(widths, counts, strict=True))
    return nn.ModuleList(residual_blocks(width, count, tiled=level == 1) for level, (width, count) in levels)


SILU_GAIN, HEAD_GAIN = 1.7, 3.0
"""Initial gain of convolutions before an activation (which keeps 0.36 of a normal input's power) and of last ones."""


def level_convolution(
    inputs: int,
    outputs: int,
    side: int,
    *,
    stride: int = 1,
    gain: float = SILU_GAIN,
    kind: type[nn.Conv2d] = Convolution,
) -> nn.Conv2d:
    """Build a convolution whose initial outputs are as large as its inputs before their activation (He et al. 2015).

    With PyTorch's initialisation, features are a few hundredths and grow for thousands of steps. A new decoder then
    hardly reads anything but the masks. With this initialisation features start at about 1.

    Args:
        inputs: input channels.
        outputs: output channels.
        side: of the kernel.
        stride: of the convolution.
        gain: standard deviation of an output over the root mean square of the inputs.
        kind: of the convolution; those of features are never in bfloat16.
    """
    made = kind(inputs, outputs, side, stride=stride, padding=1)
    start_normal(made.weight, gain=gain)
    return made


class Encoder(nn.Module):
    """g_a: picture to features at H/4, H/8 and H/16."""

    def __init__(self, config: BackboneConfig, code_width: int) -> None:
        """Args: config: widths and blocks; code_width: d, channels of every feature map."""
        super().__init__()
        widths, blocks = config.encoder_widths, config.encoder_blocks
        self.stem = level_convolution(12, widths[0], 3)
        self.downs = nn.ModuleList(level_convolution(a, b, 4, stride=2) for a, b in pairwise(widths))
        self.stages = level_blocks(widths, blocks)
        self.heads = nn.ModuleList(
            level_convolution(width, code_width, 3, gain=HEAD_GAIN, kind=nn.Conv2d) for width in widths[1:]
        )

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        """Compute the features of each granularity at all of its positions.

        Args:
            picture: (B, 3, H, W), in [0, 1]; H and W multiples of 16.
        Returns:
            "fine" (B, d, H/4, W/4), "medium" (B, d, H/8, W/8), "coarse" (B, d, H/16, W/16).
        """
        active = F.silu(self.stages[0](self.stem(F.pixel_unshuffle(picture * 2 - 1, 2))))
        features = []
        for down, stage, head in zip(self.downs, self.stages[1:], self.heads, strict=True):  # pyright: ignore[reportArgumentType]
            active = F.silu(stage(down(active)))
            features.append(head(active))
        return dict(zip(reversed(GRANULARITIES), features, strict=True))
