"""One training stage as a Lightning module (design, section 5).

backbone    encoder, codebook and decoder on D alone, with a discriminator where it is asked for
hyperprior  backbone fixed; hyperpriors, context passes and index prior on R
joint       everything on D + lambda * R
"""

from __future__ import annotations

import math
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from hvqcgic.models.config import ModelConfig
from hvqcgic.models.discriminator import PatchDiscriminator
from hvqcgic.models.granularity import GranularityMap
from hvqcgic.models.network import HvqModel
from hvqcgic.models.picture_model import Codes
from hvqcgic.models.quantiser import Quantised, perplexity
from hvqcgic.models.selection import select_cells
from hvqcgic.schedule import GRANULARITIES
from hvqcgic.training.config import Stage, TrainingConfig, check_settings
from hvqcgic.training.crops import Batch, CachedCrops
from hvqcgic.training.losses import Distortion, Perceptual, adaptive_weight, discriminator_loss, distortion
from hvqcgic.training.rate import (
    HyperLatentPriors,
    Rate,
    arithmetic_lengths,
    choose_by_rate,
    estimate_rate,
    huffman_lengths,
    static_bits,
)
from hvqcgic.training.ratios import draw_ratios
from hvqcgic.training.validation import Measured, measure

LOG_EVERY = 20
"""Steps between two points of a chart."""

TABLES_EVERY = 100
"""Steps between two looks at the codes' use for the static tables that training compares itself with."""


class HvqModule(lightning.LightningModule):
    """Trains an `HvqModel` through one stage. Optimisation is manual: a discriminator may be trained beside it."""

    def __init__(
        self, model: ModelConfig, training: TrainingConfig, stage: Stage, perceptual: Perceptual | None
    ) -> None:
        """Set up networks with fresh weights.

        Args:
            model: configuration of the networks.
            training: loss and schedule.
            stage: what is trained.
            perceptual: LPIPS, or None to train and measure without; its weights are no part of a checkpoint.
        Raises:
            ConfigError: settings that contradict each other.
        """
        super().__init__()
        check_settings(model, training)
        self.automatic_optimization = False
        self.save_hyperparameters({"model": model.to_dict(), "training": vars(training), "stage": stage})
        self.options = training
        self.stage: Stage = stage
        self.model = HvqModel(model)
        slowdown = training.codebook_slowdown if stage == "joint" else 1.0
        self.model.quantiser.decay = 1 - (1 - training.codebook_decay) / slowdown
        self.priors = HyperLatentPriors(
            {g: c for g, c in zip(GRANULARITIES, model.entropy.z_channels, strict=True) if c}
        )
        self.discriminator = PatchDiscriminator() if training.adversarial_weight > 0 and stage != "hyperprior" else None
        # Held in a tuple so that its weights are no part of the checkpoint.
        self._perceptual = (perceptual,)
        self._static_lengths: dict[str, Tensor] = {}
        self.step_index = 0

    @property
    def perceptual(self) -> Perceptual | None:
        """LPIPS as a loss, or None where it is left out or has not started."""
        counts = self.options.lpips_weight > 0 and self.started(self.options.lpips_start)
        return self._perceptual[0] if counts else None

    def started(self, step: int) -> bool:
        """Whether a term of the loss that starts at a step of stage backbone counts now."""
        return self.stage != "backbone" or self.step_index >= step

    def on_fit_start(self) -> None:
        """Takes LPIPS along to the training's device."""
        if isinstance(self._perceptual[0], nn.Module):
            self._perceptual[0].to(self.device)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """AdamW with a group each for picture networks and entropy networks; another for the discriminator."""
        options, groups = self.options, []
        if self.stage != "hyperprior":
            groups.append({"params": self.model.backbone_parameters(), "lr": options.learning_rate})
        if self.stage != "backbone":
            weights = [
                *self.model.entropy_parameters(),
                *(p for n, p in self.priors.named_parameters() if "quantiles" not in n),
            ]
            groups.append({"params": weights, "lr": options.entropy_learning_rate})
        for group in groups:
            group["base_lr"] = group["lr"]
        optimisers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(groups, weight_decay=options.weight_decay, betas=(0.9, 0.98))
        ]
        if self.discriminator is not None:
            optimisers.append(
                torch.optim.AdamW(self.discriminator.parameters(), lr=options.learning_rate, betas=(0.5, 0.9))
            )
        return optimisers

    def generator(self) -> torch.Generator:
        """Randomness of the present step: a pure function of seed and step, so that a resumed run repeats it."""
        return torch.Generator().manual_seed((self.options.seed << 32) + self.step_index)

    def masks(self, picture: Tensor, generator: torch.Generator) -> GranularityMap:
        """Granularity maps at ratios drawn for each picture."""
        config = self.model.config
        ratios = draw_ratios(len(picture), config.default_ratios, self.options.favoured_share, generator=generator)
        return select_cells(config, picture, ratios)

    def training_step(self, batch: Batch, batch_index: int) -> None:
        """One optimiser step on pictures (B, 3, H, W) in [0, 1], or on crops whose features are known already."""
        generator = self.generator()
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        known = isinstance(batch, CachedCrops)
        picture = batch.picture if known else batch
        masks = self.masks(picture, generator)
        started = bool(self.model.quantiser.initialised)
        features = batch.features if known else self.features(picture)
        codes = self.quantise(features, masks, generator)
        self.take_step(self.loss(picture, masks, codes, features))
        if started:
            self.update_codebook(codes, generator)
        if (self.step_index + 1) % LOG_EVERY == 0 or self.step_index + 1 == self.options.steps:
            self.log_perplexity()
        self.step_index += 1

    def features(self, picture: Tensor) -> dict[str, Tensor]:
        """Features of pictures (B, 3, H, W) in float32, (B, d, h_g, w_g) each; fixed in stage hyperprior."""
        with torch.set_grad_enabled(self.stage != "hyperprior"):
            return {g: y.float() for g, y in self.model.encoder(picture).items()}

    def quantise(self, features: dict[str, Tensor], masks: GranularityMap, generator: torch.Generator) -> Codes:
        """Codes of features; k-means starts the codebook at its step; till then they pass unquantised."""
        # Distances between codes are too fine for the half precision that the picture networks may run in.
        with torch.set_grad_enabled(self.stage != "hyperprior"), torch.autocast(self.device.type, enabled=False):
            if bool(self.model.quantiser.initialised):
                codes = self.model.quantise(features, masks)
                if self.stage == "joint" and self.options.rdo_choice > 0:
                    codes = choose_by_rate(self.model, features, masks, codes, self.options.rdo_choice)
                return codes
            y = torch.cat([features[g].permute(0, 2, 3, 1)[masks[g][:, 0]] for g in GRANULARITIES])
            if self.step_index + 1 >= self.options.codebook_start:
                self.model.quantiser.start(y.detach(), generator)
            blank = torch.zeros(len(y), dtype=torch.int64, device=y.device)
            return self.model.lay_out(y, Quantised(y, blank, y.new_zeros(len(y))), masks)

    def update_codebook(self, codes: Codes, generator: torch.Generator) -> None:
        """Moves the codebook and counts its use."""
        if self.stage != "hyperprior":
            self.model.quantiser.update(codes.y.detach(), codes.quantised.indices, generator)
        for place, indices in enumerate(codes.quantised.indices.split(codes.counts)):
            self.model.quantiser.count(place, indices)

    def loss(self, batch: Tensor, masks: GranularityMap, codes: Codes, features: dict[str, Tensor]) -> Tensor:
        """The stage's loss, a scalar."""
        options = self.options
        total, rate = batch.new_zeros(()), None
        if self.stage != "backbone":
            gradient = options.rate_gradient if self.stage == "joint" else "none"
            with torch.autocast(batch.device.type, enabled=False):
                rate = estimate_rate(
                    self.model, self.priors, features, masks, codes, gradient=gradient, tau=options.tau
                )
            scale = self.lambda_now() if self.stage == "joint" else 1.0
            bits = rate.index_bits + rate.z_bits + rate.pull_bits
            total = total + scale * bits / batch[:, 0].numel()
            self.log_rate(rate, codes, batch[:, 0].numel())
        if self.stage != "hyperprior":
            assembled = self.model.assemble_parameters(rate.parameters, masks) if rate and self.reads_prior else None
            decoded = self.model.reconstruct(codes.maps, masks, assembled)
            parts = distortion(batch, decoded, options, self.perceptual)
            commitment = codes.quantised.commitment.mean()
            total = total + parts.total + options.commitment_weight * commitment
            total = total + self.adversarial(batch, decoded, parts.total)
            self.log_distortion(parts, commitment)
        self.log("loss/total", total)
        return total

    def validation_step(self, batch: Tensor, batch_index: int) -> dict[str, Measured]:
        """Quality and estimated rate of a whole picture, (3, H, W); callbacks get it as "found"."""
        priors = None if self.stage == "backbone" else self.priors
        ratios = self.model.config.default_ratios
        found = measure(self.model, priors, batch, ratios, perceptual=self._perceptual[0])
        pixels = batch[0].numel()
        values = {"val/psnr_db": found.psnr_db, "val/static_arithmetic_bpp": found.static_bits / pixels}
        if self._perceptual[0] is not None:
            values["val/lpips"] = found.lpips
        if found.rate is not None:
            adaptive = float(found.rate.index_bits + found.rate.z_bits)
            values["val/adaptive_bpp"] = adaptive / pixels
            values["val/saving_percent"] = 100 * (1 - adaptive / found.static_bits)
        self.log_dict(values, batch_size=1, on_epoch=True)
        return {"found": found}

    @property
    def reads_prior(self) -> bool:
        """Whether the decoder reads the index prior's parameters."""
        return self.model.config.backbone.decoder_prior

    def lambda_now(self) -> float:
        """Lambda, warmed up from 0."""
        return self.options.lmbda * min(1.0, (self.step_index + 1) / max(self.options.lmbda_warmup, 1))

    def adversarial(self, batch: Tensor, decoded: Tensor, base: Tensor) -> Tensor:
        """The generator's adversarial term; trains the discriminator on the way. 0 before it starts."""
        if self.discriminator is None or not self.started(self.options.adversarial_start):
            return batch.new_zeros(())
        optimisers = self.optimizers()
        assert isinstance(optimisers, list)
        critic = discriminator_loss(self.discriminator(batch), self.discriminator(decoded.detach()))
        optimisers[1].zero_grad()
        self.manual_backward(critic)
        optimisers[1].step()
        fooled = -self.discriminator(decoded).mean()
        weight = adaptive_weight(base, fooled, self.model.decoder.to_picture.weight, self.options.adversarial_weight)
        self.log_dict({"loss/discriminator": critic, "loss/adversarial": fooled, "loss/adversarial_weight": weight})
        return weight * fooled

    def take_step(self, loss: Tensor) -> None:
        """Backward, clip, scheduled step."""
        optimisers = self.optimizers()
        optimiser = optimisers[0] if isinstance(optimisers, list) else optimisers
        for group in optimiser.param_groups:
            group["lr"] = group["base_lr"] * self.schedule()
        optimiser.zero_grad()
        self.manual_backward(loss)
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(weights, self.options.gradient_clip)
        if bool(torch.isfinite(norm)):
            optimiser.step()
        self.log("loss/gradient_norm", norm)

    def schedule(self) -> float:
        """Share of the learning rate at the present step: linear warm-up, then cosine to `final_learning_rate`."""
        options, step = self.options, self.step_index
        if step < options.warmup_steps:
            return (step + 1) / options.warmup_steps
        share = min(1.0, (step - options.warmup_steps) / max(options.steps - options.warmup_steps, 1))
        return options.final_learning_rate + (1 - options.final_learning_rate) * 0.5 * (1 + math.cos(math.pi * share))

    def log_distortion(self, parts: Distortion, commitment: Tensor) -> None:
        """Scalars of D, PSNR in decibels."""
        psnr = -10 * torch.log10(parts.mse.detach().clamp(min=1e-10))
        self.log_dict(
            {
                "loss/distortion": parts.total,
                "loss/mse": parts.mse,
                "loss/l1": parts.l1,
                "loss/commitment": commitment,
            }
        )
        self.log("quality/psnr_db", psnr, prog_bar=True)
        if self.perceptual is not None:
            self.log("quality/lpips", parts.lpips, prog_bar=True)

    def log_rate(self, rate: Rate, codes: Codes, pixels: int) -> None:
        """Bits per pixel of adaptive and static coding of the same indices, and the saving in per cent."""
        if not self._static_lengths or self.step_index % TABLES_EVERY == 0:
            usage = self.model.quantiser.usage
            self._static_lengths = {"arithmetic": arithmetic_lengths(usage), "huffman": huffman_lengths(usage)}
        static = {name: static_bits(lengths, codes) for name, lengths in self._static_lengths.items()}
        adaptive = (rate.index_bits + rate.z_bits).detach()
        self.log("rate/adaptive_bpp", adaptive / pixels, prog_bar=True)
        self.log_dict({f"rate/static_{name}_bpp": bits / pixels for name, bits in static.items()})
        self.log("rate/z_bpp", rate.z_bits / pixels)
        self.log("rate/saving_percent", 100 * (1 - adaptive / static["arithmetic"]))

    def log_perplexity(self) -> None:
        """Effective number of codes in use for each granularity."""
        values = perplexity(self.model.quantiser.usage)
        self.log_dict({f"codebook/perplexity_{g}": value for g, value in zip(GRANULARITIES, values, strict=True)})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The step goes with the weights: schedule and randomness follow from it."""
        checkpoint["step_index"] = self.step_index

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """See `on_save_checkpoint`."""
        self.step_index = checkpoint["step_index"]
