"""The reverse path: estimation of the encoder's features from decoded codes, in a few steps.

Quantisation, and the use of one code for all positions of a cell, are modelled as a diffusion path from the encoder's
fine features y_f, at time 0, to the assembled codes z_hat, at time 1. A network is trained to estimate y_f from the
points of the path. A sampler follows the path back:

    point at time t     (1 - t) y_f + t z_hat + s * sqrt(t (1 - t)) * level * noise
    step t -> t'        state <- (1 - t'/t) F(state) + t'/t state + s * sqrt(t' (t - t') / t) * level * noise

with F(state) for y_f. This is a Brownian bridge, whose noise vanishes at both ends. With randomness 1, the sampler's
states are distributed as the training points of the network; with randomness 0 every step follows the mean.

The expected distance between z_hat and y_f varies over the picture. Its map `level` follows from the cell size and the
index prior's deviation at each position. `level` is part of every input, so that time is a map (level * t). The decoder
knows both sources, so the map costs no bits.

Source: Han et al. 2025, "Generative Image Compression by Estimating Gradients of the Rate-variable Feature
Distribution", applied to vector-quantised cells of three sizes; the bridge as in Liu et al. 2023, "I2SB".
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.errors import ConfigError
from hvqcgic.models.backbone import residual_blocks
from hvqcgic.models.config import MOST_BLOCKS, WIDEST, ModelConfig, check_weights
from hvqcgic.models.decoder import ConditionalDecoder, assemble
from hvqcgic.models.granularity import GranularityMap, repeat
from hvqcgic.models.means import plus_means
from hvqcgic.schema import build, check, number

SMALLEST_DEVIATION = 1e-3
"""Lower limit of a code's deviation under the prior, in units of features."""


@dataclass(frozen=True)
class ReverseConfig:
    """The reverse network, its decoder and its noise.

    Attributes:
        widths: channels at H/4, H/8 and H/16.
        blocks: residual blocks at each of these on the way down; the same number on the way up, and none at H/16.
        hint_channels: further numbers per position from the network to its decoder; 0 with a kept decoder.
        decoder: `tuned`, a copy of the model's decoder that is trained to read estimated features, or `kept`, the
            model's own decoder with estimated features in place of codes.
        noise: s, in units of `level`; the largest noise, at time 1/2, is half of it.
    """

    widths: tuple[int, int, int] = number((48, 96, 96), low=1, high=WIDEST)
    blocks: tuple[int, int, int] = number((1, 1, 2), high=MOST_BLOCKS)
    hint_channels: int = number(16, high=256)
    decoder: Literal["tuned", "kept"] = "tuned"
    noise: float = number(1.0, high=1000)

    def __post_init__(self) -> None:
        """Raise `ConfigError` for values that no path can have."""
        check(self, "reverse")
        check_weights("reverse", self.widths, self.blocks)
        if self.decoder == "kept" and self.hint_channels:
            raise ConfigError(f"reverse: a kept decoder takes no hints, hint_channels is {self.hint_channels}; use 0")

    def path_noise(self, time: Tensor) -> Tensor:
        """Standard deviation of a point's noise at times from 0 to 1, in units of `level`."""
        return self.noise * (time * (1 - time)).sqrt()

    def step_noise(self, time: float, following: float) -> float:
        """Standard deviation of the noise of a step from a time to an earlier one, in units of `level`."""
        return self.noise * math.sqrt(following * (time - following) / time)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain, JSON-able values."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> ReverseConfig:
        """Build the configuration from the values of `to_dict`.

        Raises:
            ConfigError: a field is unknown, or its value is not allowed.
        """
        return build(ReverseConfig, values, "reverse")


@dataclass(frozen=True)
class Known:
    """Values that a decoder knows before the first step.

    Attributes:
        start: assembled codes z_hat, (B, d, H/4, W/4): the state at time 1.
        planes: condition of the network, (B, 3 d + 3, H/4, W/4).
        level: expected distance of codes from features, in units of features, (B, 1, H/4, W/4).
        masks: the granularity map.
        means: the picture of local means, (B, 3, H, W); None for a model without.
    """

    start: Tensor
    planes: Tensor
    level: Tensor
    masks: GranularityMap
    means: Tensor | None = None


@dataclass(frozen=True)
class Estimate:
    """Output of the network: y_f, (B, d, H/4, W/4), and hints for the decoder, (B, hint_channels, H/4, W/4)."""

    features: Tensor
    hints: Tensor


class ReverseNetwork(nn.Module):
    """F: a U-Net of local operations over H/4, H/8 and H/16; tiles give the same result as the whole picture."""

    def __init__(self, config: ReverseConfig, code_width: int) -> None:
        """Args: config: widths and blocks; code_width: d."""
        super().__init__()
        self.code_width = code_width
        near, middle, far = config.widths
        self.stem = nn.Conv2d(_planes(code_width) + code_width + 1, near, 3, padding=1)
        self.down = nn.ModuleList(residual_blocks(w, n) for w, n in zip(config.widths, config.blocks, strict=True))
        self.up = nn.ModuleList(
            residual_blocks(w, n) for w, n in zip(config.widths[:2], config.blocks[:2], strict=True)
        )
        self.to_eighth = nn.Conv2d(near, middle, 4, stride=2, padding=1)
        self.to_sixteenth = nn.Conv2d(middle, far, 4, stride=2, padding=1)
        self.from_sixteenth = nn.Conv2d(far, middle * 4, 1)
        self.from_eighth = nn.Conv2d(middle, near * 4, 1)
        self.change = nn.Conv2d(near, code_width, 3, padding=1)
        self.hints = nn.Conv2d(near, config.hint_channels, 3, padding=1) if config.hint_channels else None
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, state: Tensor, time: Tensor, known: Known) -> Estimate:
        """Estimate the features from a state.

        Args:
            state: (B, d, H/4, W/4); H and W multiples of 16.
            time: of each picture, (B,), in (0, 1].
            known: the values that the decoder knows.
        """
        inputs = torch.cat([state - known.start, known.level * time[:, None, None, None], known.planes], 1)
        near = self.down[0](self.stem(inputs))
        middle = self.down[1](self.to_eighth(F.silu(near)))
        far = self.down[2](self.to_sixteenth(F.silu(middle)))
        middle = self.up[1](middle + F.pixel_shuffle(self.from_sixteenth(F.silu(far)), 2))
        near = F.silu(self.up[0](near + F.pixel_shuffle(self.from_eighth(F.silu(middle)), 2)))
        hints = state[:, :0] if self.hints is None else self.hints(near)
        return Estimate(known.start + known.level * self.change(near), hints)


class ReverseModel(nn.Module):
    """The reverse network, the statistics of its path, and its decoder unless the model's own decoder is kept."""

    def __init__(self, config: ReverseConfig, model: ModelConfig) -> None:
        """Create a reverse model with random weights.

        Args:
            config: of the reverse path.
            model: configuration of the model that it belongs to.
        Raises:
            ConfigError: the model's decoder cannot read estimated features.
        """
        super().__init__()
        if model.control_gic is not None or model.backbone.decoder_prior:
            raise ConfigError(
                f"model {model.name}: a reverse path needs this project's decoder, without decoder_prior; train one"
            )
        self.config, self.code_width = config, model.code_width
        self.network = ReverseNetwork(config, model.code_width)
        self.decoder = None
        if config.decoder == "tuned":
            guide_width = model.code_width + config.hint_channels
            self.decoder = ConditionalDecoder(
                model.backbone, model.code_width, guide_width=guide_width, reads_means=model.means is not None
            )
        self.deviation: Tensor
        self.spread: Tensor
        self.register_buffer("deviation", torch.ones(3))
        self.register_buffer("spread", torch.ones(3))

    @torch.no_grad()
    def start(self, plain: nn.Module) -> None:
        """Initialise a tuned decoder as a copy of the model's decoder, without guidance."""
        if self.decoder is not None:
            self.decoder.load_state_dict(plain.state_dict(), strict=False)

    def known(
        self,
        codes: dict[str, Tensor],
        mean: dict[str, Tensor],
        deviation: dict[str, Tensor],
        masks: GranularityMap,
        means: Tensor | None = None,
    ) -> Known:
        """Compute the values that the decoder knows of a picture.

        Args:
            codes: per granularity, (B, d, h_g, w_g); only masked cells are used, here and below.
            mean: of each cell's code under the index prior, same shapes.
            deviation: standard deviation of each cell's code under the index prior, same shapes.
            masks: the granularity map.
            means: the picture of local means, (B, 3, H, W); required by a model that has them.
        """
        start = assemble(codes, masks)
        sigma = assemble(deviation, masks).clamp(min=SMALLEST_DEVIATION)
        sizes = torch.cat([repeat(masks.coarse, 4), repeat(masks.medium, 2), masks.fine], 1).to(start.dtype)
        relative = sigma.square().mean(1, keepdim=True).sqrt() / _of_each(self.spread, sizes)
        level = _of_each(self.deviation, sizes) * relative.clamp(0.5, 2)
        planes = torch.cat([start, assemble(mean, masks) - start, sigma.log2(), sizes], 1)
        return Known(start, planes, level, masks, means)

    def picture(self, estimate: Estimate, known: Known, plain: nn.Module) -> Tensor:
        """Decode estimated features to a picture.

        A tuned decoder reads the codes like the model's decoder, and as a guide the difference of features and codes,
        and the hints. A kept decoder reads the features as codes of a picture with all cells fine.

        Args:
            estimate: of the network.
            known: the input of the estimate.
            plain: the model's own decoder, used if it is kept.
        Returns:
            (B, 3, H, W), about [0, 1], not clamped.
        """
        given = {} if known.means is None else {"means": known.means}
        if self.decoder is None:
            return plus_means(plain(estimate.features, all_fine(estimate.features), **given), known.means)
        guide = torch.cat([estimate.features - known.start, estimate.hints], 1)
        return plus_means(self.decoder(known.start, known.masks, guide=guide, **given), known.means)


def reverse(
    estimate: Callable[[Tensor, float], Tensor],
    start: Tensor,
    level: Tensor,
    config: ReverseConfig,
    *,
    steps: int,
    randomness: float,
    noise: Callable[[], Tensor],
) -> Tensor:
    """Take all steps but the last, which is only an estimate.

    Args:
        estimate: function from a state, (B, d, h, w), and its time to y_f of the same shape.
        start: the state at time 1.
        level: see `Known`.
        config: noise level.
        steps: N, at least 1; the times are 1, 1 - 1/N, ..., 1/N.
        randomness: factor of the noise, at least 0.
        noise: draws standard normal numbers in the shape of the state; called N - 1 times, in order.
    Returns:
        the state at time 1/N, (B, d, h, w).
    """
    state = start
    for step in range(steps - 1):
        time, following = 1 - step / steps, 1 - (step + 1) / steps
        state = torch.lerp(estimate(state, time), state, following / time)
        state = state + randomness * config.step_noise(time, following) * level * noise()
    return state


def all_fine(like: Tensor) -> GranularityMap:
    """Map with all cells fine, for features (B, d, H/4, W/4)."""
    fine = torch.ones_like(like[:, :1], dtype=torch.bool)
    return GranularityMap(torch.zeros_like(fine[..., ::4, ::4]), torch.zeros_like(fine[..., ::2, ::2]), fine)


def _planes(code_width: int) -> int:
    return 3 * code_width + len(GRANULARITIES)


def _of_each(values: Tensor, sizes: Tensor) -> Tensor:
    """Value of each position's cell size: (3,) and (B, 3, h, w) in [0, 1] to (B, 1, h, w)."""
    return (values[:, None, None] * sizes).sum(1, keepdim=True)
