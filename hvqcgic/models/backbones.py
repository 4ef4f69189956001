"""The picture networks that a configuration can name: pairs of encoder and decoder that are called in the same way.

An encoder takes pictures (B, 3, H, W) in [0, 1] to features {"fine": (B, d, H/4, W/4), "medium": (B, d, H/8, W/8),
"coarse": (B, d, H/16, W/16)}. A decoder takes assembled codes (B, d, H/4, W/4), the granularity map and the index
prior's parameters or None to pictures (B, 3, H, W). A new pair is registered in `BACKBONES`, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from hvqcgic.errors import ConfigError
from hvqcgic.models.backbone import Encoder
from hvqcgic.models.config import BackboneConfig, ControlGicConfig, ModelConfig
from hvqcgic.models.control_gic_decoder import ControlGicDecoder
from hvqcgic.models.control_gic_encoder import ControlGicEncoder
from hvqcgic.models.decoder import ConditionalDecoder
from hvqcgic.models.index_prior import parameter_count

Networks = tuple[nn.Module, nn.Module]
"""Encoder and decoder."""


def pyramid(config: ModelConfig) -> Networks:
    """Our networks, of the widths and blocks in `config.backbone` (`BackboneConfig`)."""
    widths: BackboneConfig = config.backbone
    numbers = parameter_count(config.entropy, config.code_width)
    reads_means = config.means is not None
    return Encoder(widths, config.code_width), ConditionalDecoder(
        widths, config.code_width, numbers, reads_means=reads_means
    )


def control_gic(config: ModelConfig) -> Networks:
    """Control-GIC's networks, of the widths in `config.control_gic`, published ones where it says nothing."""
    widths = config.control_gic or ControlGicConfig()
    return ControlGicEncoder(widths, config.code_width), ControlGicDecoder(widths, config.code_width)


BACKBONES: Mapping[str, Callable[[ModelConfig], Networks]] = {"pyramid": pyramid, "control_gic": control_gic}


def make_backbone(config: ModelConfig) -> Networks:
    """Encoder and decoder that a configuration names, with fresh weights.

    Raises:
        ConfigError: there are none of this name.
    """
    if config.backbone_kind not in BACKBONES:
        raise ConfigError(f"model.networks {config.networks!r} is unknown; use one of {', '.join(BACKBONES)}")
    return BACKBONES[config.backbone_kind](config)
