"""Stage `reverse`: a network for a frozen model that estimates features from decoded codes (`models/reverse_path.py`).

There are two losses. On points of the path: the distance from estimated to true features. On pictures decoded after the
usual numbers of steps: the distortion, the distance in local statistics, and an optional discriminator.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.models import (
    Estimate,
    GranularityMap,
    HvqModel,
    Known,
    ReverseConfig,
    ReverseModel,
    pad_to_cells,
    repeat,
    reverse,
    select_cells,
)
from hvqcgic.perceptual import Perceptual, distortion
from hvqcgic.training.behind_model import BehindModelStage
from hvqcgic.training.config import TrainingConfig
from hvqcgic.training.ranks import rank_and_size, same_for_all
from hvqcgic.training.scalars import distortion_scalars
from hvqcgic.training.texture import texture_distance

SHOWN_STEPS = (0, 1, 2, 4)
"""Numbers of steps that are validated and shown; training pictures use those above 0."""

CALIBRATION_STEPS = 50
"""First steps of the stage, which collect the statistics of the path."""


@dataclass(frozen=True)
class Reversed:
    """A validation picture after each number of SHOWN_STEPS.

    Attributes:
        decoded: (1, 3, H, W) each, in [0, 1].
        psnr_db: against the picture.
        lpips: NaN without a perceptual network.
    """

    decoded: tuple[Tensor, ...]
    psnr_db: tuple[float, ...]
    lpips: tuple[float, ...]


@dataclass(frozen=True)
class Seen:
    """Results of the frozen model for a batch.

    Attributes:
        clean: the true fine features, (B, d, H/4, W/4).
        masks: the granularity map.
        codes: per granularity, (B, d, h_g, w_g).
        mean: of the prior, per granularity, (B, d, h_g, w_g).
        deviation: of the prior, per granularity, (B, d, h_g, w_g).
        means: the picture of local means, (B, 3, H, W); None for a model without.
    """

    clean: Tensor
    masks: GranularityMap
    codes: dict[str, Tensor]
    mean: dict[str, Tensor]
    deviation: dict[str, Tensor]
    means: Tensor | None


class ReverseModule(BehindModelStage):
    """Trains a `ReverseModel` for a model that stays unchanged."""

    def __init__(
        self,
        model: HvqModel,
        fingerprint: bytes,
        reverse_config: ReverseConfig,
        training: TrainingConfig,
        perceptual: Perceptual | None,
    ) -> None:
        """Create a network with random weights, and a decoder with the model's weights.

        Args:
            model: thawed float form of a frozen model.
            fingerprint: of the frozen model.
            reverse_config: of the network.
            training: loss and schedule.
            perceptual: LPIPS, or None to train and measure without.
        Raises:
            ConfigError: the model's decoder cannot read estimated features.
        """
        super().__init__(model, fingerprint, reverse_config, training, stage="reverse", perceptual=perceptual)
        self.reverse = ReverseModel(reverse_config, model.config)
        self.reverse.start(model.decoder)

    @property
    def last_layer(self) -> Tensor:
        """Last layer of the tuned decoder, or of the network if the model's decoder is kept."""
        decoder = self.reverse.decoder
        return self.reverse.network.change.weight if decoder is None else decoder.to_picture.weight

    def training_step(self, batch: Tensor, batch_index: int) -> None:
        """Take one optimiser step on pictures (B, 3, H, W) in [0, 1]."""
        generator = self.generator()
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)) + rank_and_size()[0])
        seen = self.see(batch, self.masks(batch, generator))
        if self.step_index < CALIBRATION_STEPS:
            self.calibrate(seen)
        known = self.reverse.known(seen.codes, seen.mean, seen.deviation, seen.masks, seen.means)
        missed = self.features_loss(seen.clean, known)
        self.log("loss/features", missed.detach())
        total = self.options.features_weight * missed
        if self.started(self.options.lpips_start):
            steps = SHOWN_STEPS[1 + int(torch.randint(len(SHOWN_STEPS) - 1, (), generator=generator))]
            total = total + self.picture_loss(batch, self.estimate(known, steps, randomness=1.0), known)
        self.log("loss/total", same_for_all(total.detach()))
        self.take_step(total)
        self.step_index += 1

    @torch.no_grad()
    def see(self, picture: Tensor, masks: GranularityMap) -> Seen:
        """Run the frozen model on pictures (B, 3, H, W), H and W multiples of 16, with the results of a decoder."""
        model = self.model
        features = {g: y.float() for g, y in model.features(picture).items()}
        # As in the model's training, codes and prior are in float32 for any precision of the picture networks.
        with torch.autocast(picture.device.type, enabled=False):
            codes = model.quantise(features, masks).maps
            expected = model.expected_codes(model.predict(features, masks, codes), masks)
        return Seen(features["fine"], masks, codes, *expected, model.means_of(features))

    @torch.no_grad()
    def calibrate(self, seen: Seen) -> None:
        """Add a batch to the running means of deviation and spread of each cell size."""
        for place, g in enumerate(GRANULARITIES):
            if not bool(seen.masks[g].any()):
                continue
            factor = seen.clean.shape[-1] // seen.masks[g].shape[-1]
            own = repeat(seen.masks[g], factor)
            far = (repeat(seen.codes[g], factor) - seen.clean).square().mean(1, keepdim=True)[own].mean().sqrt()
            wide = seen.deviation[g].square().mean(1, keepdim=True)[seen.masks[g]].mean().sqrt()
            share = 1 / (self.step_index + 1)
            self.reverse.deviation[place].lerp_(same_for_all(far), share)
            self.reverse.spread[place].lerp_(same_for_all(wide), share)

    def features_loss(self, clean: Tensor, known: Known) -> Tensor:
        """Mean squared error on points of the path, in units of the squared level; a third of them at time 1."""
        count = len(clean)
        time = torch.where(torch.rand(count) < 1 / 3, 1.0, torch.rand(count).clamp(min=0.05)).to(clean)
        share = time[:, None, None, None]
        noise = self.reverse.config.path_noise(share) * known.level * torch.randn_like(clean)
        estimate = self.reverse.network(torch.lerp(clean, known.start, share) + noise, time, known)
        return ((estimate.features - clean) / known.level).square().mean()

    def estimate(
        self, known: Known, steps: int, *, randomness: float, generator: torch.Generator | None = None
    ) -> Estimate:
        """Estimate of the network at the last of several steps; only this step has a gradient."""

        def at(state: Tensor, time: float) -> Estimate:
            return self.reverse.network(state, state.new_full((len(state),), time), known)

        with torch.no_grad():
            state = reverse(
                lambda state, time: at(state, time).features,
                known.start,
                known.level,
                self.reverse.config,
                steps=steps,
                randomness=randomness,
                noise=lambda: torch.randn(known.start.shape, generator=generator).to(known.start),
            )
        return at(state, 1 / steps)

    def picture_loss(self, picture: Tensor, estimate: Estimate, known: Known) -> Tensor:
        """Distortion, statistics and adversarial term of pictures decoded from estimates."""
        options = self.options
        decoded = self.reverse.picture(estimate, known, self.model.decoder)
        row, column = torch.randint(options.lpips_shift + 1, (2,)).tolist()
        parts = distortion(picture, decoded, options, self.perceptual, shift=(row, column))
        total = parts.total
        if options.texture_weight > 0:
            texture = texture_distance(decoded, picture)
            self.log("loss/texture", texture.detach())
            total = total + options.texture_weight * texture
        scalars = distortion_scalars(parts, decoded.new_zeros(()), with_lpips=self.perceptual is not None)
        self.log_dict({name: value for name, value in scalars.items() if name != "loss/commitment"})
        return self.adversarial(picture, decoded, total)

    def validation_step(self, batch: Tensor, batch_index: int) -> dict[str, Reversed]:
        """Measure the quality of a whole picture, (3, H, W), at the default ratios; callbacks get it as "found"."""
        with self.averaged():
            found = self.measure(batch)
        for name, values in (("psnr_db", found.psnr_db), ("lpips", found.lpips)):
            for steps, value in zip(SHOWN_STEPS, values, strict=True):
                if value == value:
                    self.log(f"val/{name}_{steps}", value, batch_size=1, on_epoch=True)
        return {"found": found}

    @torch.no_grad()
    def measure(self, picture: Tensor) -> Reversed:
        """Decode a picture, (3, H, W) in [0, 1], after each number of SHOWN_STEPS, with noise of seed 0."""
        height, width = picture.shape[-2:]
        padded = pad_to_cells(picture[None])
        seen = self.see(padded, select_cells(self.model.config, padded, [self.model.config.default_ratios]))
        known = self.reverse.known(seen.codes, seen.mean, seen.deviation, seen.masks, seen.means)
        decoded = []
        for steps in SHOWN_STEPS:
            if steps:
                noise = torch.Generator().manual_seed(0)
                estimate = self.estimate(known, steps, randomness=1.0, generator=noise)
                found = self.reverse.picture(estimate, known, self.model.decoder)
            else:
                found = self.model.reconstruct(seen.codes, seen.masks, means=seen.means)
            decoded.append(found[..., :height, :width].clamp(0, 1))
        errors = [(one - picture).square().mean().clamp(min=1e-10) for one in decoded]
        lpips = self.measured_by
        with torch.autocast(picture.device.type, enabled=False):
            far = [float("nan") if lpips is None else float(lpips(one, picture[None])) for one in decoded]
        return Reversed(tuple(decoded), tuple(float(-10 * torch.log10(error)) for error in errors), tuple(far))

    def images(self, picture: Tensor, found: Reversed) -> list[Tensor]:
        """Return a validation picture and its decoded pictures after SHOWN_STEPS, (3, H, W) each."""
        return [picture, *(one[0] for one in found.decoded)]
