"""The three hyperpriors: features of one granularity to a hyper-latent, and the hyper-latent to hints for the contexts.

    y_g, mask -> h_a -> z_g (1/4 of the resolution, a few channels) -> round -> h_s -> S channels at the resolution of g

Source: HVQ-CGIC (independent branches per granularity, analysis of features before quantisation); widths are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hvqcgic.errors import ConfigError
from hvqcgic.models.config import EntropyConfig, MeansConfig
from hvqcgic.models.means import MEANS_CHANNELS
from hvqcgic.models.sequential import ClampedConv, PowerLeaky


class HyperAnalysis(nn.Module):
    """h_a: masked features to a continuous hyper-latent."""

    def __init__(self, config: EntropyConfig, code_width: int, channels: int) -> None:
        """Args: config: widths; code_width: d; channels: of z."""
        super().__init__()
        width = config.hyper_width
        self.network = nn.Sequential(
            nn.Conv2d(code_width + 1, width, 5, stride=2, padding=2),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, channels, 5, stride=2, padding=2),
        )

    def forward(self, y: Tensor, mask: Tensor) -> Tensor:
        """Compute the hyper-latent before rounding.

        Args:
            y: features, (B, d, h, w).
            mask: cells of this granularity, (B, 1, h, w).
        Returns:
            (B, C_z, ceil(h / 4), ceil(w / 4)).
        """
        known = mask.to(y.dtype)
        return self.network(torch.cat([y * known, known], 1))


def hyper_synthesis(config: EntropyConfig, channels: int) -> nn.Sequential:
    """h_s: network from a rounded hyper-latent, (B, C_z, h, w), to hints, (B, S, 4 h, 4 w); it can be frozen."""
    hints = config.synthesis_channels
    return nn.Sequential(
        ClampedConv(channels, 4 * hints, 3),
        PowerLeaky(),
        nn.PixelShuffle(2),
        ClampedConv(hints, 4 * hints, 3),
        PowerLeaky(),
        nn.PixelShuffle(2),
    )


def means_synthesis(config: MeansConfig, factor: int) -> nn.Sequential:
    """Network from latents of local means, (B, 3, h, w), to hints, (B, S, factor h, factor w); it can be frozen."""
    layers: list[nn.Module] = []
    inputs = MEANS_CHANNELS
    for _ in range(factor.bit_length() - 1):
        layers += [ClampedConv(inputs, 4 * config.hint_channels, 3), PowerLeaky(), nn.PixelShuffle(2)]
        inputs = config.hint_channels
    return nn.Sequential(*layers)


@dataclass(frozen=True)
class Hyperprior:
    """A pair of hyper-analysis and hyper-synthesis.

    Attributes:
        analysis: (config, d, C_z) to a module from features (B, d, h, w) and mask (B, 1, h, w) to z before rounding,
            (B, C_z, ceil(h / 4), ceil(w / 4)).
        synthesis: (config, C_z) to a network of layers that freeze to integers (`hvqcgic.models.describe`), from
            rounded z to hints, (B, S, 4 h_z, 4 w_z).
    """

    analysis: Callable[[EntropyConfig, int, int], nn.Module]
    synthesis: Callable[[EntropyConfig, int], nn.Sequential]


HYPERPRIORS: Mapping[str, Hyperprior] = {"convolutional": Hyperprior(HyperAnalysis, hyper_synthesis)}
"""By the name that a configuration gives; a new one is registered here, and nowhere else."""


def hyperprior_named(config: EntropyConfig) -> Hyperprior:
    """The hyperprior that a configuration names.

    Raises:
        ConfigError: there is none of this name.
    """
    if config.hyperprior not in HYPERPRIORS:
        raise ConfigError(
            f"model.entropy.hyperprior {config.hyperprior!r} is unknown; use one of {', '.join(HYPERPRIORS)}"
        )
    return HYPERPRIORS[config.hyperprior]


def sent_positions(mask: Tensor) -> Tensor:
    """Positions whose hyper-latents are sent: their 4 x 4 footprint holds a cell of the granularity.

    Args:
        mask: bool, (B, 1, h, w).
    Returns:
        bool, (B, 1, ceil(h / 4), ceil(w / 4)).
    """
    return nn.functional.max_pool2d(mask.float(), 4, ceil_mode=True) > 0
