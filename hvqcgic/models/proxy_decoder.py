"""Proxy decoder: a narrow decoder that imitates a model's decoder, for distortions that an encoder has to estimate.

It shares the decoder's levels H/16 and H/8 and replaces those above, which take nine tenths of the time:

    decoder's features at H/8 -> H/4 (+ all that the decoder reads) -> blocks -> picture

The encoder decodes a picture with it once for each granularity to choose its granularity map
(`hvqcgic.rate_control.cell_distortions`). No file depends on it. It is trained to imitate pictures of the decoder
(knowledge distillation, Hinton, Vinyals and Dean 2015), in stage proxy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch.nn.functional as F
from torch import Tensor, nn

from hvqcgic.errors import ConfigError
from hvqcgic.models.backbone import residual_blocks
from hvqcgic.models.bf16 import Convolution
from hvqcgic.models.config import MOST_BLOCKS, WIDEST, check_weights
from hvqcgic.models.decoder import ConditionalDecoder, enlarge
from hvqcgic.schema import build, check, number

SIDE_PX = 4
"""Side of a position of the proxy's blocks."""


@dataclass(frozen=True)
class ProxyConfig:
    """A proxy decoder.

    Attributes:
        width: channels at H/4.
        blocks: residual blocks there.
    """

    width: int = number(32, low=1, high=WIDEST)
    blocks: int = number(2, high=MOST_BLOCKS)

    def __post_init__(self) -> None:
        """Raise `ConfigError` for values that no proxy can have."""
        check(self, "proxy")
        check_weights("proxy", (self.width,), (self.blocks,))

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain, JSON-able values."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> ProxyConfig:
        """Build the configuration from the values of `to_dict`.

        Raises:
            ConfigError: a field is unknown, or its value is not allowed.
        """
        return build(ProxyConfig, values, "proxy")


class ProxyDecoder(nn.Module):
    """From a decoder's features at H/8 to an approximation of its picture."""

    def __init__(self, config: ProxyConfig, decoder: nn.Module) -> None:
        """Create a proxy with random weights.

        Args:
            config: width and blocks.
            decoder: the decoder to imitate, which it does not keep.

        Raises:
            ConfigError: the decoder is none that a proxy can imitate.
        """
        super().__init__()
        decoder = self.checked(decoder)
        self.config = config
        self.to_quarter = Convolution(decoder.to_quarter.in_channels, 4 * config.width, 1)
        self.condition = Convolution(decoder.fine_condition.in_channels, config.width, 3, padding=1)
        self.blocks = residual_blocks(config.width, config.blocks, tiled=True)
        self.to_picture = Convolution(config.width, 3 * SIDE_PX**2, 3, padding=1)

    @staticmethod
    def can_imitate(decoder: nn.Module) -> TypeGuard[ConditionalDecoder]:
        """Whether a proxy has all that a decoder reads."""
        return isinstance(decoder, ConditionalDecoder) and not decoder.prior_width

    @staticmethod
    def checked(decoder: nn.Module) -> ConditionalDecoder:
        """A decoder as one that a proxy can imitate; raise `ConfigError` if it is none."""
        if not ProxyDecoder.can_imitate(decoder):
            raise ConfigError(
                f"a proxy cannot imitate this {type(decoder).__name__}; use a model of the networks pyramid without "
                "decoder_prior"
            )
        return decoder

    def forward(self, eighth: Tensor, inputs: Tensor) -> Tensor:
        """Approximate the decoder's picture.

        Args:
            eighth: `ConditionalDecoder.up_to_eighth`, (B, C, H/8, W/8).
            inputs: `ConditionalDecoder.inputs`, (B, N, H/4, W/4).
        Returns:
            (B, 3, H, W), about [0, 1], not clamped.
        """
        x = self.blocks(enlarge(eighth, self.to_quarter) + self.condition(inputs))
        return F.pixel_shuffle(self.to_picture(F.silu(x)), SIDE_PX) * 0.5 + 0.5
