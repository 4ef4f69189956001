"""What every stage of a training has: schedule, randomness, optimisers, moving average, discriminator, checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from hvqcgic.models import GranularityMap, HvqModel, PatchDiscriminator, select_cells
from hvqcgic.perceptual import Perceptual, mean_of
from hvqcgic.training.average import CHECKPOINT_KEY, WeightAverage
from hvqcgic.training.config import Stage, TrainingConfig
from hvqcgic.training.losses import discriminator_loss, with_adversary
from hvqcgic.training.optimisation import learning_rate_share, make_optimisers, trained_weights
from hvqcgic.training.ranks import rank_and_size
from hvqcgic.training.ratios import draw_ratios


class StageModule(lightning.LightningModule):
    """One stage; optimisation is manual, as a discriminator may be trained beside it.

    A stage says what it trains (`groups`), which model it is about (`model`), where the adversarial gradient is weighed
    (`last_layer`), and what a step is.
    """

    model: HvqModel

    def __init__(self, options: TrainingConfig, stage: Stage, perceptual: Perceptual | None) -> None:
        """Args: options: loss and schedule; stage: which; perceptual: LPIPS, no part of a checkpoint, or None."""
        super().__init__()
        self.automatic_optimization = False
        self.options = options
        self.stage: Stage = stage
        self.discriminator = PatchDiscriminator() if options.adversarial_weight > 0 and stage != "hyperprior" else None
        # Held in a tuple so that its weights are no part of the checkpoint.
        self._perceptual: tuple[Perceptual | None, ...] = (perceptual,)
        self.average = WeightAverage(options.ema_decay) if options.ema_decay > 0 else None
        self.step_index = 0

    def groups(self) -> list[dict[str, Any]]:
        """Groups of weights that this stage trains, as an optimiser takes them, with their "base_lr"."""
        raise NotImplementedError

    @property
    def last_layer(self) -> Tensor:
        """Weights at which the adversarial gradient is held against the distortion's."""
        return self.model.decoder.to_picture.weight

    @property
    def perceptual(self) -> Perceptual | None:
        """LPIPS as a loss, the mean over its networks, or None where it is left out or has not started."""
        networks = [network for network in self._perceptual if network is not None]
        if not networks or not self.options.lpips_weight > 0 or not self.started(self.options.lpips_start):
            return None
        return mean_of(networks)

    def add_perceptual(self, second: Perceptual | None) -> None:
        """Takes another network into the loss; what is measured stays that of the first alone."""
        self._perceptual = (*self._perceptual, second)

    def started(self, step: int) -> bool:
        """Whether a term of the loss that starts at a step of stages backbone and reverse counts now."""
        return self.stage in ("hyperprior", "joint") or self.step_index >= step

    def on_fit_start(self) -> None:
        """Takes what is no part of the state dict along to the training's device."""
        for network in self._perceptual:
            if isinstance(network, nn.Module):
                network.to(self.device)
        if self.average is not None:
            self.average.start(self.trained)

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

    def adversarial(self, batch: Tensor, decoded: Tensor, base: Tensor) -> Tensor:
        """A loss of decoded pictures with the adversarial term, once that counts; trains the discriminator, too."""
        if self.discriminator is None or not self.started(self.options.adversarial_start):
            return base
        optimisers = self.optimizers()
        assert isinstance(optimisers, list)
        critic = discriminator_loss(self.discriminator(batch), self.discriminator(decoded.detach()))
        optimisers[1].zero_grad()
        self.manual_backward(critic)
        optimisers[1].step()
        fooled = -self.discriminator(decoded).mean()
        both = with_adversary(decoded, base, fooled, self.last_layer, self.options.adversarial_weight)
        critic, fooled = critic.detach(), fooled.detach()
        self.log_dict(
            {"loss/discriminator": critic, "loss/adversarial": fooled, "loss/adversarial_weight": both.weight}
        )
        return both.total

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

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The step goes with the weights: schedule and randomness follow from it."""
        checkpoint["step_index"] = self.step_index
        if self.average is not None:
            checkpoint[CHECKPOINT_KEY] = self.average.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """See `on_save_checkpoint`; an average that the checkpoint lacks begins at its weights."""
        self.step_index = checkpoint["step_index"]
        if self.average is not None and CHECKPOINT_KEY in checkpoint:
            self.average.load_state_dict(checkpoint[CHECKPOINT_KEY])
