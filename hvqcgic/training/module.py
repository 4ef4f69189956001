"""One training stage as a Lightning module (design, section 5).

backbone    encoder, codebook and decoder on D alone, with a discriminator where it is asked for
hyperprior  backbone fixed; hyperpriors, context passes and index prior on R
joint       everything on D + lambda * R
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
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
from hvqcgic.training.average import CHECKPOINT_KEY, WeightAverage
from hvqcgic.training.config import Stage, TrainingConfig, check_settings
from hvqcgic.training.crops import Batch, CachedCrops
from hvqcgic.training.losses import Perceptual, adaptive_weight, discriminator_loss, distortion
from hvqcgic.training.optimisation import learning_rate_share, make_optimisers, parameter_groups, trained_weights
from hvqcgic.training.ranks import gather_parts, mean_over_all, rank_and_size, same_for_all
from hvqcgic.training.rate import HyperLatentPriors, choose_by_rate, estimate_rate
from hvqcgic.training.ratios import draw_ratios
from hvqcgic.training.scalars import StaticLengths, distortion_scalars, rate_scalars, validation_scalars
from hvqcgic.training.validation import Measured, measure

LOG_EVERY = 20
"""Steps between two points of a chart."""


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
        self.average = WeightAverage(training.ema_decay) if training.ema_decay > 0 else None
        self._static_lengths = StaticLengths()
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
        """Takes what is no part of the state dict along to the training's device."""
        if isinstance(self._perceptual[0], nn.Module):
            # With channels last its convolutions take a tenth less time; it has no optimiser that knows of layouts.
            self._perceptual[0].to(self.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        if self.average is not None:
            self.average.start(self.trained)

    def groups(self) -> list[dict[str, Any]]:
        """What this stage trains, see `parameter_groups`."""
        return parameter_groups(self.model, self.priors, self.stage, self.options)

    @cached_property
    def trained(self) -> dict[str, nn.Parameter]:
        """The same weights by their names in the state dict."""
        return trained_weights(self, self.groups())

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The weights that export takes: their moving average where one is kept, else as they are."""
        if self.average is None:
            yield
            return
        with self.average.in_place_of(self.trained):
            yield

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """See `make_optimisers`."""
        return make_optimisers(self.groups(), self.discriminator, self.options)

    def generator(self) -> torch.Generator:
        """Randomness of the present step: a pure function of seed and step, so that a resumed run repeats it."""
        return torch.Generator().manual_seed((self.options.seed << 32) + self.step_index)

    def masks(self, picture: Tensor, generator: torch.Generator) -> GranularityMap:
        """Granularity maps at ratios drawn for each picture of the whole batch, of which this is a process's share."""
        config, (rank, size), count = self.model.config, rank_and_size(), len(picture)
        ratios = draw_ratios(count * size, config.default_ratios, self.options.favoured_share, generator=generator)
        return select_cells(config, picture, ratios[rank * count : (rank + 1) * count])

    def training_step(self, batch: Batch, batch_index: int) -> None:
        """One optimiser step on pictures (B, 3, H, W) in [0, 1], or on crops whose features are known already."""
        generator = self.generator()
        # Noise on hyper-latents and the shift of LPIPS differ from process to process; ratios and revival do not.
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)) + rank_and_size()[0])
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
            parts = [features[g].permute(0, 2, 3, 1)[masks[g][:, 0]] for g in GRANULARITIES]
            y = torch.cat(parts)
            if self.step_index + 1 >= self.options.codebook_start:
                self.model.quantiser.start(gather_parts(parts), generator)
            blank = torch.zeros(len(y), dtype=torch.int64, device=y.device)
            return self.model.lay_out(y, Quantised(y, blank, y.new_zeros(len(y))), masks)

    def update_codebook(self, codes: Codes, generator: torch.Generator) -> None:
        """Moves the codebook and counts its use, by the cells of all processes."""
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
            gradient = options.rate_gradient if self.stage == "joint" else "none"
            with torch.autocast(batch.device.type, enabled=False):
                rate = estimate_rate(
                    self.model, self.priors, features, masks, codes, gradient=gradient, tau=options.tau
                )
            scale = self.lambda_now() if self.stage == "joint" else 1.0
            bits = rate.index_bits + rate.z_bits + rate.pull_bits
            total = total + scale * bits / batch[:, 0].numel()
            lengths = self._static_lengths.at(self.step_index, self.model.quantiser.usage)
            self.log_dict(rate_scalars(rate, codes, lengths, batch[:, 0].numel()))
        if self.stage != "hyperprior":
            assembled = self.model.assemble_parameters(rate.parameters, masks) if rate and self.reads_prior else None
            decoded = self.model.reconstruct(codes.maps, masks, assembled)
            row, column = torch.randint(options.lpips_shift + 1, (2,)).tolist()
            parts = distortion(batch, decoded, options, self.perceptual, shift=(row, column))
            commitment = mean_over_all(codes.quantised.commitment)
            total = total + parts.total + options.commitment_weight * commitment
            total = total + self.adversarial(batch, decoded, parts.total)
            self.log_dict(distortion_scalars(parts, commitment, with_lpips=self.perceptual is not None))
        self.log("loss/total", same_for_all(total.detach()))
        return total

    def validation_step(self, batch: Tensor, batch_index: int) -> dict[str, Measured]:
        """Quality and estimated rate of a whole picture, (3, H, W); callbacks get it as "found".

        Where a moving average is kept, `val/` and "found" are of that, and `val_raw/` of the weights as they are.
        """
        with self.averaged():
            found = self.validate(batch, "val")
        if self.average is not None:
            self.validate(batch, "val_raw")
        return {"found": found}

    def validate(self, picture: Tensor, group: str) -> Measured:
        """Measures a picture, (3, H, W), with the weights that are in place, and logs it in a group of charts."""
        priors, lpips = None if self.stage == "backbone" else self.priors, self._perceptual[0]
        found = measure(self.model, priors, picture, self.model.config.default_ratios, perceptual=lpips)
        values = validation_scalars(group, found, picture[0].numel(), with_lpips=lpips is not None)
        self.log_dict(values, batch_size=1, on_epoch=True)
        return found

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
        """Backward, clip, scheduled step; a step of no finite gradient is left out."""
        optimisers = self.optimizers()
        optimiser = optimisers[0] if isinstance(optimisers, list) else optimisers
        for group in optimiser.param_groups:
            group["lr"] = group["base_lr"] * learning_rate_share(self.options, self.step_index)
        optimiser.zero_grad()
        self.manual_backward(loss)
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(weights, self.options.gradient_clip)
        if bool(torch.isfinite(norm)):
            optimiser.step()
        if self.average is not None:
            self.average.update(self.trained)
        self.log("loss/gradient_norm", norm)

    def log_perplexity(self) -> None:
        """Effective number of codes in use for each granularity."""
        values = perplexity(self.model.quantiser.usage)
        self.log_dict({f"codebook/perplexity_{g}": value for g, value in zip(GRANULARITIES, values, strict=True)})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The step goes with the weights: schedule and randomness follow from it."""
        checkpoint["step_index"] = self.step_index
        checkpoint["static_lengths"] = self._static_lengths.state_dict()
        if self.average is not None:
            checkpoint[CHECKPOINT_KEY] = self.average.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """See `on_save_checkpoint`; an average that the checkpoint lacks begins at its weights."""
        self.step_index = checkpoint["step_index"]
        self._static_lengths.load_state_dict(checkpoint.get("static_lengths", {}))
        if self.average is not None and CHECKPOINT_KEY in checkpoint:
            self.average.load_state_dict(checkpoint[CHECKPOINT_KEY])
