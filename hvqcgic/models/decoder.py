"""Conditional decoder: from codes on cells of three sizes to a picture (Control-GIC, eq. 7).

codes averaged to H/16 -> blocks -> H/8 (+ codes of medium and finer cells) -> blocks
                       -> H/4 (+ codes of fine cells) -> blocks -> H/2 -> blocks -> picture
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvqcgic.models.backbone import level_blocks
from hvqcgic.models.bf16 import Convolution, runs_in_bf16
from hvqcgic.models.config import BackboneConfig
from hvqcgic.models.granularity import GranularityMap, repeat
from hvqcgic.models.means import MEANS_CHANNELS

Told = Sequence[Tensor | float]
"""Contributions of a guide to the features at H/4, H/8 and H/16."""
NOTHING_TOLD: Told = (0.0, 0.0, 0.0)


def assemble(codes: dict[str, Tensor], masks: GranularityMap) -> Tensor:
    """Assemble one map of codes at H/4, with each cell's code at all of its positions.

    Args:
        codes: per granularity, (B, C, h_g, w_g); only masked cells are used.
        masks: the granularity map.
    Returns:
        (B, C, H/4, W/4).
    """
    coarse = repeat(codes["coarse"] * masks.coarse, 4)
    medium = repeat(codes["medium"] * masks.medium, 2)
    return coarse + medium + codes["fine"] * masks.fine


def enlarge(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    """A pointwise convolution and a pixel shuffle to twice the size.

    PyTorch computes neither well channels last: as one product and one copy they take a third of the time.

    Args:
        x: (B, C, h, w).
        convolution: to 4 K channels, kernel 1 x 1, with a bias.
    Returns:
        (B, K, 2h, 2w), channels last.
    """
    assert convolution.bias is not None
    batch, channels, height, width = x.shape
    outputs = convolution.out_channels // 4
    weight = convolution.weight.view(outputs, 4, channels).transpose(0, 1).reshape(4 * outputs, channels)
    bias = convolution.bias.view(outputs, 4).t().reshape(-1)
    rows = x.permute(0, 2, 3, 1)
    if runs_in_bf16(convolution):
        rows, weight, bias = rows.bfloat16(), weight.bfloat16(), bias.bfloat16()
    found = F.linear(rows, weight, bias).view(batch, height, width, 2, 2, outputs)
    larger = found.transpose(2, 3).reshape(batch, 2 * height, 2 * width, outputs)
    return larger.to(x.dtype).permute(0, 3, 1, 2)


class ConditionalDecoder(nn.Module):
    """g_s: assembled codes and masks to a picture."""

    def __init__(
        self,
        config: BackboneConfig,
        code_width: int,
        prior_width: int = 0,
        guide_width: int = 0,
        *,
        reads_means: bool = False,
    ) -> None:
        """Create a decoder with random weights.

        Args:
            config: widths, blocks, switches.
            code_width: d.
            prior_width: P, used only with `decoder_prior`.
            guide_width: channels of a guide, see `forward`; the layers that read it start at zero.
            reads_means: whether it reads the picture of local means.
        """
        super().__init__()
        self.config = config
        self.prior_width = prior_width if config.decoder_prior else 0
        self.means_width = MEANS_CHANNELS if reads_means else 0
        inputs = code_width + self.prior_width + self.means_width
        half, quarter, eighth, sixteenth = config.decoder_widths
        blocks = config.decoder_blocks
        self.stem = Convolution(inputs + 3, sixteenth, 3, padding=1)
        self.medium_condition = Convolution(inputs + 3, eighth, 3, padding=1)
        self.fine_condition = Convolution(inputs + 3, quarter, 3, padding=1)
        self.stages = level_blocks(config.decoder_widths, blocks)
        self.to_eighth = Convolution(sixteenth, eighth * 4, 1)
        self.to_quarter = Convolution(eighth, quarter * 4, 1)
        self.to_half = Convolution(quarter, half * 4, 1)
        self.to_picture = nn.Conv2d(half, 12, 3, padding=1)
        self.guides = None
        if guide_width:
            self.guides = nn.ModuleList(nn.Conv2d(guide_width, w, 3, padding=1) for w in (quarter, eighth, sixteenth))
            for weight in self.guides.parameters():
                nn.init.zeros_(weight)

    def forward(
        self,
        y_hat: Tensor,
        masks: GranularityMap,
        parameters: Tensor | None = None,
        guide: Tensor | None = None,
        means: Tensor | None = None,
    ) -> Tensor:
        """Decode codes to a picture.

        Args:
            y_hat: assembled codes, (B, d, H/4, W/4).
            masks: the granularity map.
            parameters: the index prior's parameters of each cell, assembled, (B, P, H/4, W/4); used only with
                `decoder_prior`, where None (before the prior is trained) means zeros.
            guide: (B, guide_width, H/4, W/4), further values for every position; required by a decoder with a
                guide_width.
            means: the picture of the means, (B, 3, H, W); required by a decoder that reads it.
        Returns:
            (B, 3, H, W), about [0, 1], not clamped.
        """
        told = NOTHING_TOLD if guide is None else self._read(guide)
        inputs = self.inputs(y_hat, masks, parameters, means)
        return self.above_eighth(self.up_to_eighth(inputs, masks, told), inputs, masks, told)

    def inputs(
        self, y_hat: Tensor, masks: GranularityMap, parameters: Tensor | None = None, means: Tensor | None = None
    ) -> Tensor:
        """All that the levels read of codes, masks, prior and means, (B, N, H/4, W/4); arguments as in `forward`."""
        known = torch.cat([repeat(masks.coarse, 4), repeat(masks.medium, 2), masks.fine], 1).to(y_hat.dtype)
        inputs = [y_hat, known]
        if self.prior_width:
            shape = (len(y_hat), self.prior_width, *y_hat.shape[2:])
            inputs.append(y_hat.new_zeros(shape) if parameters is None else parameters)
        if self.means_width:
            assert means is not None
            inputs.append(F.avg_pool2d(means, 4) * 2 - 1)
        return torch.cat(inputs, 1)

    def up_to_eighth(self, inputs: Tensor, masks: GranularityMap, told: Told = NOTHING_TOLD) -> Tensor:
        """Features of the levels H/16 and H/8, (B, C, H/8, W/8).

        Args:
            inputs: of `inputs`.
            masks: the granularity map.
            told: contributions of a guide at H/4, H/8 and H/16.
        """
        eighth = F.avg_pool2d(inputs, 2)
        x = self.stages[3](self.stem(F.avg_pool2d(eighth, 2)) + told[2])
        x = enlarge(x, self.to_eighth) + told[1]
        if self.config.condition_medium:
            x = torch.addcmul(x, self.medium_condition(eighth), repeat(~masks.coarse, 2).to(x.dtype))
        return self.stages[2](x)

    def above_eighth(self, eighth: Tensor, inputs: Tensor, masks: GranularityMap, told: Told = NOTHING_TOLD) -> Tensor:
        """The picture of the features of `up_to_eighth`; other arguments as there, result as of `forward`."""
        x = enlarge(eighth, self.to_quarter) + told[0]
        if self.config.condition_fine:
            x = torch.addcmul(x, self.fine_condition(inputs), masks.fine.to(x.dtype))
        x = enlarge(self.stages[1](x), self.to_half)
        x = self.to_picture(F.silu(self.stages[0](x)))
        return F.pixel_shuffle(x, 2) * 0.5 + 0.5

    def _read(self, guide: Tensor) -> Told:
        """Contributions of a guide at H/4, H/8 and H/16."""
        assert self.guides is not None
        levels = [guide, F.avg_pool2d(guide, 2), F.avg_pool2d(guide, 4)]
        return [reader(level) for reader, level in zip(self.guides, levels, strict=True)]
