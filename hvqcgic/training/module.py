"""The stages that train a model, as a Lightning module (design, section 5).

backbone    encoder, codebook and decoder on D, with an optional discriminator
hyperprior  hyperpriors, context passes and index prior on R, with a fixed backbone
joint       everything on D + lambda * R
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.models import (
    Codes,
    GranularityMap,
    HvqModel,
    ModelConfig,
    ProxyConfig,
    ProxyDecoder,
    Quantised,
    information_density,
    order_cells,
    perplexity,
)
from hvqcgic.perceptual import Perceptual, distortion
from hvqcgic.pictures import granularity_overlay, heat_map
from hvqcgic.training.cells import cells_by_distortion, replaced
from hvqcgic.training.config import Stage, TrainingConfig
from hvqcgic.training.crops import Batch, CachedCrops
from hvqcgic.training.latent_start import start_hyper_latents
from hvqcgic.training.optimisation import parameter_groups
from hvqcgic.training.ranks import gather_parts, mean_over_all, own_share, rank_and_size, same_for_all
from hvqcgic.training.rate import HyperLatentPriors, choose_by_rate, estimate_rate
from hvqcgic.training.rate_gradient import Pull, weights_by_cells
from hvqcgic.training.scalars import StaticLengths, distortion_scalars, rate_scalars, validation_scalars
from hvqcgic.training.stage_module import StageModule
from hvqcgic.training.validation import Measured, measure

LOG_EVERY = 20
"""Steps between two points of a chart."""


class HvqModule(StageModule):
    """Trains an `HvqModel` through one stage.

    Attributes:
        new_latents: granularities whose hyperpriors start with random weights; their hyper-latents are scaled at the
            first step.
    """

    def __init__(
        self, model: ModelConfig, training: TrainingConfig, stage: Stage, perceptual: Perceptual | None
    ) -> None:
        """Create networks with random weights.

        Args:
            model: configuration of the networks.
            training: loss and schedule.
            stage: name of the stage.
            perceptual: LPIPS, or None to train and measure without; its weights are not part of a checkpoint.
        """
        super().__init__(training, stage, perceptual)
        self.save_hyperparameters({"model": model.to_dict(), "training": vars(training), "stage": stage})
        self.model = HvqModel(model)
        slowdown = training.codebook_slowdown if stage == "joint" else 1.0
        self.model.quantiser.decay = 1 - (1 - training.codebook_decay) / slowdown
        if stage == "joint":
            # The index prior prices a dead code as one that is never used: revived, it costs a hundred bits a use.
            self.model.quantiser.revive_below = 0.0
        self.priors = HyperLatentPriors(
            {g: c for g, c in zip(GRANULARITIES, model.entropy.z_channels, strict=True) if c}
        )
        self._static_lengths = StaticLengths()
        self.new_latents: frozenset[str] = frozenset()

    def take_proxy(self, settings: Mapping[str, Any]) -> None:
        """See `StageModule`; no stage here trains it, and stage backbone keeps none, as it changes the decoder most."""
        kept = self.stage != "backbone" and ProxyDecoder.can_imitate(self.model.decoder)
        config = settings.get("proxy") if kept else None
        self.save_hyperparameters({"proxy": config})
        if config is None:
            self.model.proxy = None
        else:
            self.model.proxy = ProxyDecoder(ProxyConfig.from_dict(config), self.model.decoder).requires_grad_(False)

    def groups(self) -> list[dict[str, Any]]:
        """Weights that this stage trains, see `parameter_groups`."""
        return parameter_groups(self.model, self.priors, self.stage, self.options)

    def training_step(self, batch: Batch, batch_index: int) -> None:
        """Take one optimiser step on pictures (B, 3, H, W) in [0, 1], or on crops with precomputed features."""
        generator = self.generator()
        # Processes draw different noise on hyper-latents and different shifts of LPIPS, but equal ratios and revivals.
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)) + rank_and_size()[0])
        known = isinstance(batch, CachedCrops)
        picture = batch.picture if known else batch
        started = bool(self.model.quantiser.initialised)
        features = batch.features if known else self.features(picture)
        masks = self.cells(picture, features, generator)
        if self.new_latents and self.step_index == 0 and self.stage != "backbone":
            start_hyper_latents(self.model, features, masks, self.new_latents)
        codes = self.quantise(features, masks, generator)
        self.take_step(self.loss(picture, masks, codes, features))
        if started:
            self.update_codebook(codes, generator)
        if (self.step_index + 1) % LOG_EVERY == 0 or self.step_index + 1 == self.options.steps:
            self.log_perplexity()
        self.step_index += 1

    def features(self, picture: Tensor) -> dict[str, Tensor]:
        """Features of pictures (B, 3, H, W) in float32, (B, d, h_g, w_g) each; without gradient in stage hyperprior."""
        with torch.set_grad_enabled(self.stage != "hyperprior"):
            return {g: y.float() for g, y in self.model.features(picture).items()}

    def cells(self, picture: Tensor, features: dict[str, Tensor], generator: torch.Generator) -> GranularityMap:
        """Granularity maps at drawn ratios: by distortion for the share `rd_share`, where there is a proxy decoder."""
        ratios = self.ratios(len(picture), generator)
        density = information_density(self.model.config, picture)
        masks = order_cells(self.model.config, density, ratios)
        share = self.options.rd_share if self.model.proxy is not None else 0.0
        if not share:
            return masks
        size = len(picture) * rank_and_size()[1]
        drawn = torch.rand(size, generator=generator)[own_share(size)]
        taken = (drawn < share).nonzero()[:, 0].tolist()
        if not taken:
            return masks
        own = {name: plane[taken] for name, plane in features.items()}
        wanted = [ratios[n] for n in taken]
        return replaced(masks, taken, cells_by_distortion(self.model, picture[taken], own, density.of_8[taken], wanted))

    def quantise(self, features: dict[str, Tensor], masks: GranularityMap, generator: torch.Generator) -> Codes:
        """Quantise features; k-means initialises the codebook at its step, and earlier steps do not quantise."""
        # Distances between codes need float32; the picture networks may run in half precision.
        with torch.set_grad_enabled(self.stage != "hyperprior"), torch.autocast(self.device.type, enabled=False):
            if bool(self.model.quantiser.initialised):
                codes = self.model.quantise(features, masks)
                if self.stage == "joint" and self.options.rdo_choice > 0:
                    codes = choose_by_rate(self.model, features, masks, codes, self.eta_now())
                return codes
            parts = [features[g].permute(0, 2, 3, 1)[masks[g][:, 0]] for g in GRANULARITIES]
            y = torch.cat(parts)
            if self.step_index + 1 >= self.options.codebook_start:
                self.model.quantiser.start(gather_parts(parts), generator)
            blank = torch.zeros(len(y), dtype=torch.int64, device=y.device)
            return self.model.lay_out(y, Quantised(y, blank, y.new_zeros(len(y))), masks)

    def update_codebook(self, codes: Codes, generator: torch.Generator) -> None:
        """Move the codebook and count its use, with the cells of all processes."""
        own = codes.quantised.indices.split(codes.counts)
        if self.stage != "hyperprior":
            self.model.quantiser.update(gather_parts(codes.y.split(codes.counts)), gather_parts(own), generator)
        for place, indices in enumerate(own):
            self.model.quantiser.count(place, gather_parts([indices]))

    def loss(self, batch: Tensor, masks: GranularityMap, codes: Codes, features: dict[str, Tensor]) -> Tensor:
        """The stage's loss, a scalar."""
        options = self.options
        total, rate = batch.new_zeros(()), None
        if self.stage != "backbone":
            with torch.autocast(batch.device.type, enabled=False):
                rate = estimate_rate(self.model, self.priors, features, masks, codes, pull=self.pull(masks))
            scale = self.lambda_now() if self.stage == "joint" else 1.0
            price_of_z = min(1.0, (self.step_index + 1) / max(self.options.z_warmup, 1))
            bits = rate.index_bits + price_of_z * rate.z_bits + rate.pull_bits
            total = total + scale * bits / batch[:, 0].numel()
            lengths = self._static_lengths.at(self.step_index, self.model.quantiser.usage)
            self.log_dict(rate_scalars(rate, codes, lengths, batch[:, 0].numel()))
        if self.stage != "hyperprior":
            assembled = self.model.assemble_parameters(rate.parameters, masks) if rate and self.reads_prior else None
            decoded = self.model.reconstruct(codes.maps, masks, assembled, self.model.means_of(features))
            row, column = torch.randint(options.lpips_shift + 1, (2,)).tolist()
            parts = distortion(batch, decoded, options, self.perceptual, shift=(row, column))
            commitment = mean_over_all(codes.quantised.commitment)
            total = total + options.commitment_weight * commitment
            total = total + self.adversarial(batch, decoded, parts.total)
            self.log_dict(distortion_scalars(parts, commitment, with_lpips=self.perceptual is not None))
        self.log("loss/total", same_for_all(total.detach()))
        return total

    def validation_step(self, batch: Tensor, batch_index: int) -> dict[str, Measured]:
        """Measure quality and estimated rate of a whole picture, (3, H, W); callbacks get the result as "found".

        With a moving average, `val/` and "found" are of the average, and `val_raw/` is of the weights without
        averaging.
        """
        with self.averaged():
            found = self.validate(batch, "val")
        if self.average is not None:
            self.validate(batch, "val_raw")
        return {"found": found}

    def images(self, picture: Tensor, found: Measured) -> list[Tensor]:
        """Picture, reconstruction, granularity map and, from stage hyperprior on, bits per cell, (3, H, W) each."""
        masks = {g: found.masks[g][0, 0] for g in GRANULARITIES}
        shown = [picture, found.decoded[0], granularity_overlay(masks, picture)]
        if found.rate is None:
            return shown
        bits = {g: found.rate.cell_bits[g][0, 0] for g in GRANULARITIES}
        # The lightest colour is the length of a fixed-length index.
        heat = heat_map(masks, bits, top_bits=math.log2(self.model.config.codebook_size))
        return [*shown, heat[:, : picture.shape[-2], : picture.shape[-1]]]

    def validate(self, picture: Tensor, group: str) -> Measured:
        """Measure a picture, (3, H, W), with the current weights, and log the values in a group of charts."""
        priors, lpips = None if self.stage == "backbone" else self.priors, self.measured_by
        found = measure(self.model, priors, picture, self.model.config.default_ratios, perceptual=lpips)
        values = validation_scalars(group, found, picture[0].numel(), with_lpips=lpips is not None)
        self.log_dict(values, batch_size=1, on_epoch=True)
        return found

    @property
    def reads_prior(self) -> bool:
        """Whether the decoder reads the index prior's parameters."""
        return self.model.config.backbone.decoder_prior

    def pull(self, masks: GranularityMap) -> Pull | None:
        """How the rate pulls at the features of these pictures; None where it does not."""
        options = self.options
        if self.stage != "joint" or options.rate_gradient == "none":
            return None
        ratios, slope = self.model.config.default_ratios, options.lmbda_slope
        weights = weights_by_cells(masks, ratios, slope) if slope > 0 else None
        return Pull(options.tau, options.usage_weight, weights)

    def eta_now(self) -> float:
        """Eta of the choice of codes at the current step; it rises from 0."""
        return self.options.rdo_choice * min(1.0, (self.step_index + 1) / max(self.options.rdo_warmup, 1))

    def lambda_now(self) -> float:
        """Lambda at the current step, with warm-up from 0."""
        return self.options.lmbda * min(1.0, (self.step_index + 1) / max(self.options.lmbda_warmup, 1))

    def log_perplexity(self) -> None:
        """Log the effective number of used codes for each granularity."""
        values = perplexity(self.model.quantiser.usage)
        self.log_dict({f"codebook/perplexity_{g}": value for g, value in zip(GRANULARITIES, values, strict=True)})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the static tables that charts compare with to the state of every stage."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["static_lengths"] = self._static_lengths.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """See `on_save_checkpoint`."""
        super().on_load_checkpoint(checkpoint)
        self._static_lengths.load_state_dict(checkpoint.get("static_lengths", {}))
