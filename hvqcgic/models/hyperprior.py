"""The three hyperpriors: features of one granularity to a hyper-latent, and the hyper-latent to hints for the contexts.

    y_g, mask -> h_a -> z_g (1/F of the resolution, a few channels) -> round -> h_s -> S channels at the resolution of g

F is `z_footprint`: 4 as in the paper, or up to 64.

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
from hvqcgic.models.sequential import ClampedConv, PowerLeaky, Repeat


def halvings(config: EntropyConfig) -> int:
    """Number of halvings of the resolution from cells to hyper-latents."""
    return config.z_footprint.bit_length() - 1


def half(inputs: int, outputs: int) -> nn.Conv2d:
    """Build a convolution to half of the resolution, rounded up."""
    return nn.Conv2d(inputs, outputs, 5, stride=2, padding=2)


class HyperAnalysis(nn.Module):
    """h_a: masked features to a continuous hyper-latent."""

    def __init__(self, config: EntropyConfig, code_width: int, channels: int) -> None:
        """Args: config: widths; code_width: d; channels: of z."""
        super().__init__()
        width = config.hyper_width
        self.network = nn.Sequential(
            half(code_width + 1, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            *(layer for _ in range(halvings(config) - 2) for layer in (nn.SiLU(), half(width, width))),
            nn.SiLU(),
            half(width, channels),
        )

    def forward(self, y: Tensor, mask: Tensor) -> Tensor:
        """Compute the hyper-latent before rounding.

        Args:
            y: features, (B, d, h, w).
            mask: cells of this granularity, (B, 1, h, w).
        Returns:
            (B, C_z, ceil(h / F), ceil(w / F)).
        """
        known = mask.to(y.dtype)
        return self.network(torch.cat([y * known, known], 1))


class PooledAnalysis(nn.Module):
    """h_a for large footprints: the mean of what the cells of a footprint say, so that it does not depend on its size.

    Learned from pictures smaller than a footprint, it can be used on larger ones.
    """

    def __init__(self, config: EntropyConfig, code_width: int, channels: int) -> None:
        """Args: config: widths; code_width: d; channels: of z."""
        super().__init__()
        width = config.hyper_width
        self.cells = nn.Sequential(
            half(code_width + 1, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1), nn.SiLU()
        )
        self.summary = nn.Sequential(nn.Conv2d(width, width, 1), nn.SiLU(), nn.Conv2d(width, channels, 1))
        self.side = config.z_footprint // 2

    def forward(self, y: Tensor, mask: Tensor) -> Tensor:
        """As `HyperAnalysis.forward`."""
        known = mask.to(y.dtype)
        said = self.cells(torch.cat([y * known, known], 1))
        weight = nn.functional.avg_pool2d(known, 2, ceil_mode=True)
        both = torch.cat([said * weight, weight], 1)
        rows, columns = (-size % self.side for size in both.shape[-2:])
        sums = nn.functional.avg_pool2d(nn.functional.pad(both, (0, columns, 0, rows)), self.side)
        return self.summary(sums[:, :-1] / sums[:, -1:].clamp(min=1e-6))


def pooled_synthesis(config: EntropyConfig, channels: int) -> nn.Sequential:
    """h_s of `PooledAnalysis`: the same hints, (B, S, F h, F w), for all cells of a footprint; it can be frozen."""
    width, hints = config.hyper_width, config.synthesis_channels
    layers = [ClampedConv(channels, width, 1), PowerLeaky(), ClampedConv(width, hints, 1)]
    return nn.Sequential(*layers, *(Repeat() for _ in range(halvings(config))))


def hyper_synthesis(config: EntropyConfig, channels: int) -> nn.Sequential:
    """h_s: network from a rounded hyper-latent, (B, C_z, h, w), to hints, (B, S, F h, F w); it can be frozen."""
    return doublings(channels, config.synthesis_channels, halvings(config))


def means_synthesis(config: MeansConfig, factor: int) -> nn.Sequential:
    """Network from latents of local means, (B, 3, h, w), to hints, (B, S, factor h, factor w); it can be frozen."""
    return doublings(MEANS_CHANNELS, config.hint_channels, factor.bit_length() - 1)


def doublings(inputs: int, outputs: int, count: int) -> nn.Sequential:
    """Build a network that doubles the resolution `count` times."""
    layers: list[nn.Module] = []
    for step in range(count):
        layers += [ClampedConv(outputs if step else inputs, 4 * outputs, 3), PowerLeaky(), nn.PixelShuffle(2)]
    return nn.Sequential(*layers)


@dataclass(frozen=True)
class Hyperprior:
    """A pair of hyper-analysis and hyper-synthesis.

    Attributes:
        analysis: (config, d, C_z) to a module from features (B, d, h, w) and mask (B, 1, h, w) to z before rounding,
            (B, C_z, ceil(h / F), ceil(w / F)).
        synthesis: (config, C_z) to a network of layers that freeze to integers (`hvqcgic.models.describe`), from
            rounded z to hints, (B, S, F h_z, F w_z).
    """

    analysis: Callable[[EntropyConfig, int, int], nn.Module]
    synthesis: Callable[[EntropyConfig, int], nn.Sequential]


HYPERPRIORS: Mapping[str, Hyperprior] = {
    "convolutional": Hyperprior(HyperAnalysis, hyper_synthesis),
    "pooled": Hyperprior(PooledAnalysis, pooled_synthesis),
}
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


def sent_positions(mask: Tensor, footprint: int = 4) -> Tensor:
    """Positions whose hyper-latents are sent: their footprint, F x F cells, holds a cell of the granularity.

    Args:
        mask: bool, (B, 1, h, w).
        footprint: F.
    Returns:
        bool, (B, 1, ceil(h / F), ceil(w / F)).
    """
    return nn.functional.max_pool2d(mask.float(), footprint, ceil_mode=True) > 0
