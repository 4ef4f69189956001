"""What a model is made of: one frozen dataclass, written to YAML configs and into model files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hvqcgic.bitstream import parse_schedule
from hvqcgic.errors import ConfigError
from hvqcgic.index_priors import Embedding, FormName, form_named
from hvqcgic.schema import build, check, number

SEVEN_PASSES = ("coarse", "medium/0", "medium/1", "fine/0", "fine/1", "fine/2", "fine/3")

Selection = Literal["ordered", "published"]
InputRange = Literal["unit", "signed"]

WIDEST, MOST_BLOCKS, MOST_WEIGHTS = 1024, 32, 400_000_000
"""Limits of networks: channels, residual blocks of a level, and weights of encoder and decoder together, 1.6 GB."""


@dataclass(frozen=True)
class BackboneConfig:
    """Widths of the picture networks.

    Attributes:
        encoder_widths: channels at H/2, H/4, H/8 and H/16.
        encoder_blocks: residual blocks at each of these.
        decoder_widths: channels at H/2, H/4, H/8 and H/16.
        decoder_blocks: residual blocks at each of these.
        condition_medium: the decoder is told medium (and finer) cells at H/8.
        condition_fine: the decoder is told fine cells at H/4.
        decoder_prior: the decoder also reads the index prior's parameters of each cell
            (HVQ-CGIC's probability-adaptive decoder); they are exact there and cost no bits.
    """

    encoder_widths: tuple[int, int, int, int] = number((32, 80, 96, 96), low=1, high=WIDEST)
    encoder_blocks: tuple[int, int, int, int] = number((0, 2, 1, 1), high=MOST_BLOCKS)
    decoder_widths: tuple[int, int, int, int] = number((32, 80, 96, 96), low=1, high=WIDEST)
    decoder_blocks: tuple[int, int, int, int] = number((1, 3, 1, 1), high=MOST_BLOCKS)
    condition_medium: bool = True
    condition_fine: bool = True
    decoder_prior: bool = False

    def __post_init__(self) -> None:
        """Raise `ConfigError` for values out of range, and for networks of too many weights."""
        check(self, "model.backbone")
        check_weights("model.backbone", self.encoder_widths, self.encoder_blocks)
        check_weights("model.backbone", self.decoder_widths, self.decoder_blocks)


@dataclass(frozen=True)
class ControlGicConfig:
    """Widths of Control-GIC's picture networks, as published where nothing else is said.

    Attributes:
        width: channels at full resolution before multiplication; a multiple of `norm_groups`.
        multipliers: channels at H, H/2, H/4, H/8 and H/16, in units of `width`; the last two are equal.
        blocks: residual blocks of an encoder level; a decoder level has one more.
        attention_levels: levels (0 is H, 4 is H/16) with attention after every residual block.
        norm_groups: groups of every normalisation.
        input_range: values that the networks see: `unit`, [0, 1], as the published inference script feeds them, or
            `signed`, [-1, 1], as the published training does.
    """

    width: int = number(128, low=1, high=WIDEST)
    multipliers: tuple[int, int, int, int, int] = number((1, 2, 2, 4, 4), low=1, high=32)
    blocks: int = number(2, low=1, high=MOST_BLOCKS)
    attention_levels: tuple[int, ...] = number((3,), high=4)
    norm_groups: int = number(32, low=1, high=WIDEST)
    input_range: InputRange = "unit"

    def __post_init__(self) -> None:
        """Refuses widths that no such network can have.

        Raises:
            ConfigError: naming the field.
        """
        check(self, "model.control_gic")
        if self.multipliers[3] != self.multipliers[4]:
            raise ConfigError(f"model.control_gic.multipliers is {self.multipliers}; use two equal ones at the end")
        if any(width % self.norm_groups for width in self.widths):
            raise ConfigError(
                f"model.control_gic: widths {self.widths}: each must be a multiple of norm_groups, {self.norm_groups}"
            )
        check_weights("model.control_gic", self.widths, (self.blocks + 1,) * 5)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels at H, H/2, H/4, H/8 and H/16."""
        return tuple(self.width * multiplier for multiplier in self.multipliers)


@dataclass(frozen=True)
class EntropyConfig:
    """The index prior, its hyperpriors and its context passes; by default those of `tiny`.

    Beside its context passes hyper-latents cost more than they tell (docs/results.md).

    Attributes:
        form: form of the index prior: `mahalanobis` (Gaussians in the embedding space), or `learned`, `diagonal` or
            `quadratic` of older models; see `hvqcgic.index_priors.FORMS`.
        embedding: embedding of codes of the form `mahalanobis`: `codebook` (the paper's) or `learned`.
        embedding_width: R, numbers of a code's learned embedding.
        log_prior: add a learned log-prior for each granularity and code; without it the paper's form.
        schedule: passes in coding order, see `hvqcgic.bitstream.schedule`.
        z_channels: hyper-latent channels for (coarse, medium, fine); 0 leaves that hyperprior out.
        z_limit: largest magnitude of a hyper-latent.
        z_footprint: side, in cells, of the square of one position of a hyper-latent: 4, 8, 16, 32 or 64.
        hyperprior: the pair of hyper-analysis and hyper-synthesis, a name in `hvqcgic.models.HYPERPRIORS`.
        hyper_width: channels inside hyper-analysis and hyper-synthesis.
        synthesis_channels: channels that a hyper-synthesis hands to the context networks.
        hint_kernel: side, in cells, of the square in which a context network reads them around a cell: 5, as it reads
            codes, or 1, at the cell alone, which costs next to no time.
        context_width: channels inside a context network.
        context: predict a cell also from the codes of earlier passes; without, as in the paper, from hyper-latents and
            the granularity map alone.
        weight_bits: fractional bits of frozen weights.
        activation_bits: fractional bits of frozen activations.
        activation_limit: magnitude that the results of all convolutions are clamped to.
    """

    form: FormName = "mahalanobis"
    embedding: Embedding = "learned"
    embedding_width: int = number(24, low=1, high=256)
    log_prior: bool = True
    schedule: tuple[str, ...] = SEVEN_PASSES
    z_channels: tuple[int, int, int] = number((0, 0, 0), high=256)
    z_limit: int = number(31, low=1, high=1023)
    hyper_width: int = number(32, low=1, high=WIDEST)
    synthesis_channels: int = number(16, low=1, high=256)
    context_width: int = number(96, low=1, high=WIDEST)
    weight_bits: int = number(14, low=1, high=24)
    activation_bits: int = number(12, low=1, high=24)
    activation_limit: float = number(32.0, low=8, high=32)
    hyperprior: str = "convolutional"
    context: bool = True
    z_footprint: Literal[4, 8, 16, 32, 64] = 4
    hint_kernel: Literal[1, 5] = 5

    def __post_init__(self) -> None:
        """Raise `ConfigError`, naming the field, for values out of range and for what is no schedule."""
        check(self, "model.entropy")
        parse_schedule(self.schedule)

    @property
    def learns_embedding(self) -> bool:
        """Whether the embedding of codes is learned."""
        return (form_named(self.form).embedding or self.embedding) == "learned"


@dataclass(frozen=True)
class MeansConfig:
    """Local means: hyper-latents that picture networks and index prior read, see `hvqcgic.models.means`.

    Attributes:
        block_px: side of a block in pixels: 32, 64 or 128.
        luma_step: distance of two luma latents, in units of 1/255.
        chroma_step: distance of two chroma latents, in units of 1/255.
        hint_channels: channels that the hyper-synthesis of a granularity makes of them for the context networks.
    """

    block_px: Literal[32, 64, 128] = 32
    luma_step: int = number(10, low=4, high=64)
    chroma_step: int = number(6, low=4, high=64)
    hint_channels: int = number(8, low=1, high=256)

    def __post_init__(self) -> None:
        """Raise `ConfigError`, naming the field, for values out of range."""
        check(self, "model.means")


@dataclass(frozen=True)
class ModelConfig:
    """A whole model.

    Attributes:
        name: shown to users and used as the file's name.
        codebook_size: K, codes in the one codebook of all granularities.
        code_width: d, numbers in a code.
        entropy_sigma: width of the smoothing kernel of the patch entropy, on grey values in [-1, 1]; at about one bin
            (0.065) the entropy of a flat patch does not depend on its grey level.
        default_ratios: (fine, medium, coarse) shares of the picture's area where the user names none.
        backbone: the picture networks.
        entropy: the entropy model.
        selection: how cells are chosen: `ordered` (exact counts, flat areas coarse) or `published` (Control-GIC's
            strict thresholds, see `hvqcgic.models.published_selection`).
        control_gic: Control-GIC's picture networks in place of `backbone`; none for those of `backbone`.
        networks: the pair of encoder and decoder, a name in `hvqcgic.models.BACKBONES`; with `control_gic` its own.
        means: hyper-latents that picture networks and index prior read; none for none.
    """

    name: str = "tiny"
    codebook_size: int = number(512, low=2, high=1 << 16)
    code_width: int = number(4, low=1, high=64)
    entropy_sigma: float = number(0.065, low=1e-3, high=10)
    default_ratios: tuple[float, float, float] = number((0.5, 0.4, 0.1), high=1)
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    entropy: EntropyConfig = field(default_factory=EntropyConfig)
    selection: Selection = "ordered"
    control_gic: ControlGicConfig | None = None
    networks: str = "pyramid"
    means: MeansConfig | None = None

    def __post_init__(self) -> None:
        """Refuses what does not go together.

        Raises:
            ConfigError: a value is out of range, or Control-GIC's networks are asked to read the index prior or local
                means.
        """
        check(self, "model")
        if abs(sum(self.default_ratios) - 1) > 1e-6:
            raise ConfigError(f"model.default_ratios is {self.default_ratios}; use three that sum to 1")
        if self.control_gic is not None and self.means is not None:
            raise ConfigError("model.means: Control-GIC's networks do not read local means; use null")
        if self.control_gic is not None and self.backbone.decoder_prior:
            raise ConfigError("backbone.decoder_prior: Control-GIC's decoder does not read the index prior; use false")

    @property
    def backbone_kind(self) -> str:
        """Name of the picture networks in `hvqcgic.models.BACKBONES`."""
        return self.networks if self.control_gic is None else "control_gic"

    @property
    def input_range(self) -> InputRange:
        """Values that the picture networks see."""
        return "signed" if self.control_gic is None else self.control_gic.input_range

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain, JSON-able values.

        Fields that came after the first models are left out where they have their defaults: the fingerprints of models
        hash this form, and those of older models must stay what they were. Older forms of the index prior call the
        embedding's width `rank`.
        """
        values = dataclasses.asdict(self)
        added = (
            (values, "selection"),
            (values, "control_gic"),
            (values, "networks"),
            (values, "means"),
            (values["entropy"], "hyperprior"),
            (values["entropy"], "context"),
            (values["entropy"], "z_footprint"),
            (values["entropy"], "hint_kernel"),
            (values["entropy"], "activation_limit"),
        )
        for owner, name in added:
            if owner[name] == _LATER_DEFAULTS[name]:
                del owner[name]
        if form_named(self.entropy.form).embedding is not None:
            del values["entropy"]["embedding"]
            values["entropy"]["rank"] = values["entropy"].pop("embedding_width")
        return values

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> ModelConfig:
        """The configuration that `to_dict` (or a YAML file) describes.

        Raises:
            ConfigError: a field is unknown, or holds what it must not hold; the message names it.
        """
        entropy = values.get("entropy")
        if isinstance(entropy, Mapping) and "rank" in entropy:
            values = {**values, "entropy": {_NEWER.get(key, key): value for key, value in entropy.items()}}
        return build(ModelConfig, values, "model")


_NEWER = {"rank": "embedding_width"}
_LATER_DEFAULTS = {
    "selection": "ordered",
    "control_gic": None,
    "networks": "pyramid",
    "means": None,
    "hyperprior": "convolutional",
    "context": True,
    "z_footprint": 4,
    "hint_kernel": 5,
    "activation_limit": 32.0,
}


def check_weights(label: str, widths: tuple[int, ...], blocks: tuple[int, ...]) -> None:
    """Raise `ConfigError` for levels whose convolutions have more weights than a machine should be asked to hold.

    Args:
        label: of the networks, for the message.
        widths: channels of each level.
        blocks: residual blocks of each level, of two convolutions of 3 x 3.
    """
    weights = sum(18 * width * width * (count + 1) for width, count in zip(widths, blocks, strict=True))
    if weights > MOST_WEIGHTS // 2:
        raise ConfigError(
            f"{label}: widths {widths} with {blocks} blocks have about {weights / 1e6:.0f} million weights; "
            f"use {MOST_WEIGHTS // 2_000_000} million or less"
        )
