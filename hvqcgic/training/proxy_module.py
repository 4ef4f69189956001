"""Stage `proxy`: a narrow decoder for a frozen model that imitates its decoder (`models/proxy_decoder.py`).

Both decode crops with all cells coarse, all medium and all fine. The loss is the difference of their pictures, of the
distortions of squares (`hvqcgic.perceptual.square_distortions`), and of what squares gain by finer cells, which chooses
granularity maps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.models import (
    HvqModel,
    ProxyConfig,
    ProxyDecoder,
    assemble,
    pad_to_cells,
    plus_means,
)
from hvqcgic.perceptual import square_distortions
from hvqcgic.training.behind_model import BehindModelStage
from hvqcgic.training.cells import uniform_map
from hvqcgic.training.config import TrainingConfig
from hvqcgic.training.ranks import same_for_all

PICTURE_WEIGHT = 600.0
"""Weight of the mean squared error on a 0 to 1 scale against the relative errors of distortions and gains."""
BORDER_SQUARES = 2
"""Squares at the border of a crop that do not count: there, decoders see zeros in place of a picture."""


@dataclass(frozen=True)
class Imitated:
    """A batch of B pictures with all cells coarse, then all medium, then all fine: 3 B in all.

    Attributes:
        eighth: the decoder's features at H/8, (3 B, C, H/8, W/8).
        inputs: all that the decoder reads, (3 B, N, H/4, W/4).
        means: the picture of local means, (3 B, 3, H, W); None for a model without.
        decoded: by the decoder, (3 B, 3, H, W).
    """

    eighth: Tensor
    inputs: Tensor
    means: Tensor | None
    decoded: Tensor


@dataclass(frozen=True)
class Errors:
    """Errors of a proxy.

    Attributes:
        picture: mean squared difference of its picture from the decoder's, on a 0 to 1 scale.
        distortion: mean absolute error of the distortion of a square, relative to the mean distortion.
        gain: mean absolute error of what a square gains by the next finer cells, likewise.
    """

    picture: Tensor
    distortion: Tensor
    gain: Tensor


class ProxyModule(BehindModelStage):
    """Trains a `ProxyDecoder` for a model that stays unchanged."""

    def __init__(self, model: HvqModel, fingerprint: bytes, config: ProxyConfig, training: TrainingConfig) -> None:
        """Create a proxy with random weights.

        Args:
            model: thawed float form of a frozen model.
            fingerprint: of the frozen model.
            config: of the proxy.
            training: schedule.

        Raises:
            ConfigError: the model's decoder is none that a proxy can imitate.
        """
        super().__init__(model, fingerprint, config, training, stage="proxy", perceptual=None)
        self.proxy = ProxyDecoder(config, model.decoder)

    def picture_networks(self) -> list[torch.nn.Module]:
        """Networks of pictures in this stage's steps."""
        return [*super().picture_networks(), self.proxy]

    def training_step(self, batch: Tensor, batch_index: int) -> None:
        """Take one optimiser step on pictures (B, 3, H, W) in [0, 1]."""
        seen = self.see(batch)
        errors = self.errors(batch, seen, self.imitate(seen), border=BORDER_SQUARES)
        total = PICTURE_WEIGHT * errors.picture + errors.distortion + errors.gain
        for name, value in vars(errors).items():
            self.log(f"loss/{name}", value.detach())
        self.log("loss/total", same_for_all(total.detach()))
        self.take_step(total)
        self.step_index += 1

    @torch.no_grad()
    def see(self, picture: Tensor) -> Imitated:
        """Decode pictures (B, 3, H, W), H and W multiples of 16, by the frozen model."""
        model, decoder = self.model, self.proxy.checked(self.model.decoder)
        features = {g: y.float() for g, y in model.features(picture).items()}
        means = model.means_of(features)
        parts: list[tuple[Tensor, Tensor, Tensor]] = []
        for g in GRANULARITIES:
            masks = uniform_map(features, g)
            # As in the model's training, codes are in float32 for any precision of the picture networks.
            with torch.autocast(picture.device.type, enabled=False):
                codes = model.quantise(features, masks).maps
            inputs = decoder.inputs(assemble(codes, masks), masks, means=means)
            eighth = decoder.up_to_eighth(inputs, masks)
            decoded = plus_means(decoder.above_eighth(eighth, inputs, masks), means)
            parts.append((eighth, inputs, decoded))
        eighth, inputs, decoded = (torch.cat(each).float() for each in zip(*parts, strict=True))
        return Imitated(eighth, inputs, None if means is None else torch.cat([means] * len(parts)), decoded)

    def imitate(self, seen: Imitated) -> Tensor:
        """Pictures of the proxy, (3 B, 3, H, W)."""
        return plus_means(self.proxy(seen.eighth, seen.inputs).float(), seen.means)

    def errors(self, picture: Tensor, seen: Imitated, imitated: Tensor, *, border: int = 0) -> Errors:
        """Compare pictures of the proxy with those of the decoder.

        Args:
            picture: originals, (B, 3, H, W).
            seen: of `see`.
            imitated: of `imitate`.
            border: squares along the border that do not count in distortions and gains.
        """
        original = torch.cat([picture] * len(GRANULARITIES))
        true, own = (
            square_distortions(original, decoded).unflatten(0, (len(GRANULARITIES), -1))
            for decoded in (seen.decoded, imitated)
        )
        border = min(border, (min(true.shape[-2:]) - 1) // 2)
        inside = (..., *(slice(border, side - border) for side in true.shape[-2:]))
        true, own = true[inside], own[inside]
        scale = true.mean().clamp(min=1e-6)
        gain = (own[:-1] - own[1:]) - (true[:-1] - true[1:])
        return Errors(
            (imitated - seen.decoded).square().mean(), (own - true).abs().mean() / scale, gain.abs().mean() / scale
        )

    def validation_step(self, batch: Tensor, batch_index: int) -> dict[str, list[Tensor]]:
        """Measure a whole picture, (3, H, W); callbacks get its decoded and imitated pictures as "found"."""
        padded = pad_to_cells(batch[None])
        with self.averaged(), torch.no_grad():
            seen = self.see(padded)
            imitated = self.imitate(seen)
        errors = self.errors(padded, seen, imitated)
        psnr = -10 * torch.log10(errors.picture.clamp(min=1e-10))
        for name, value in (("psnr_db", psnr), ("distortion_error", errors.distortion), ("gain_error", errors.gain)):
            self.log(f"val/{name}", value, batch_size=1, on_epoch=True)
        height, width = batch.shape[-2:]
        pairs = zip(seen.decoded, imitated, strict=True)
        return {"found": [one[:, :height, :width].clamp(0, 1) for pair in pairs for one in pair]}

    def images(self, picture: Tensor, found: list[Tensor]) -> list[Tensor]:
        """Return a validation picture; decoded and imitated with all cells coarse, medium and fine, (3, H, W) each."""
        return [picture, *found]
