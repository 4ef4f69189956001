"""Common parts of all stages: schedule, randomness, optimisers, moving average, discriminator, checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from hvqcgic.model_files import RECORD_KEY
from hvqcgic.models import GranularityMap, HvqModel, PatchDiscriminator, Ratios, select_cells
from hvqcgic.perceptual import Perceptual, in_turns
from hvqcgic.training.average import CHECKPOINT_KEY, WeightAverage
from hvqcgic.training.config import Stage, TrainingConfig
from hvqcgic.training.losses import discriminator_loss, with_adversary
from hvqcgic.training.optimisation import learning_rate_share, make_optimisers, trained_weights
from hvqcgic.training.provenance import NOT_RECORDED, before_resuming, line_of, recorded
from hvqcgic.training.ranks import own_share, rank_and_size
from hvqcgic.training.ratios import draw_ratios

COMPARED: tuple[Stage, ...] = ("backbone", "joint", "reverse")
"""Stages whose loss compares decoded with true pictures, by LPIPS and by a discriminator."""


def laid_out_as(weight: Tensor, value: Any) -> Any:
    """A tensor of a weight's shape in the weight's memory layout; anything else as it is."""
    if not isinstance(value, Tensor) or value.shape != weight.shape or value.stride() == weight.stride():
        return value
    return torch.empty_like(weight, dtype=value.dtype).copy_(value)


class StageModule(lightning.LightningModule):
    """One stage, with manual optimisation, because a discriminator may be trained at the same time.

    A subclass defines the trained weights (`groups`), the trained model (`model`), the layer where the adversarial
    gradient is weighted (`last_layer`), and a training step.

    Attributes:
        trained_on: lines on the pictures of the starting weights, see `hvqcgic.training.provenance`.
        pictures: text on the pictures of this stage.
    """

    model: HvqModel

    def __init__(self, options: TrainingConfig, stage: Stage, perceptual: Perceptual | None) -> None:
        """Args: options: loss and schedule; stage: its name; perceptual: LPIPS, not part of a checkpoint, or None."""
        super().__init__()
        self.automatic_optimization = False
        self.options = options
        self.stage: Stage = stage
        self.discriminator = PatchDiscriminator() if options.adversarial_weight > 0 and stage in COMPARED else None
        # The tuple keeps its weights out of checkpoints.
        self._perceptual: tuple[Perceptual | None, ...] = (perceptual,)
        self.average = WeightAverage(options.ema_decay) if options.ema_decay > 0 else None
        self.step_index = 0
        self.trained_on: list[str] = []
        self.pictures = NOT_RECORDED

    def groups(self) -> list[dict[str, Any]]:
        """Groups of weights that this stage trains, in the form of an optimiser, with their "base_lr"."""
        raise NotImplementedError

    def take_proxy(self, settings: Mapping[str, Any]) -> None:
        """Have the proxy decoder that a checkpoint of these settings holds beside what is trained, or none.

        Its weights are then loaded with all others.
        """

    @property
    def last_layer(self) -> Tensor:
        """Weights at which the adversarial gradient is compared with the distortion's."""
        return self.model.decoder.get_submodule("to_picture").get_parameter("weight")

    @property
    def perceptual(self) -> Perceptual | None:
        """LPIPS as a loss, by its networks in turns; None without LPIPS or before its first step."""
        networks = [network for network in self._perceptual if network is not None]
        if not networks or not self.options.lpips_weight > 0 or not self.started(self.options.lpips_start):
            return None
        return in_turns(networks, self.step_index)

    @property
    def measured_by(self) -> Perceptual | None:
        """LPIPS of validation: its first network."""
        return self._perceptual[0]

    def add_perceptual(self, network: Perceptual | None) -> None:
        """Add a network to the turns of the loss; validation still measures the first network alone."""
        self._perceptual = (*self._perceptual, network)

    def started(self, step: int) -> bool:
        """Whether a loss term with a first step in stages backbone and reverse is active now."""
        return self.stage in ("hyperprior", "joint") or self.step_index >= step

    def on_fit_start(self) -> None:
        """Move modules outside the state dict to the training's device."""
        for network in self._perceptual:
            if isinstance(network, nn.Module):
                network.to(self.device)
        if self.average is not None:
            self.average.start(self.trained)

    def setup(self, stage: str) -> None:
        """Lay out picture networks channels last, before processes share gradients in the order of memory."""
        for network in self.picture_networks():
            network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def on_train_start(self) -> None:
        """Lay out the state of a resumed optimiser as its weights: the fused step reads both in the order of memory."""
        optimisers = self.optimizers()
        for optimiser in optimisers if isinstance(optimisers, list) else [optimisers]:
            for weight, state in optimiser.state.items():
                state.update({name: laid_out_as(weight, value) for name, value in state.items()})

    def picture_networks(self) -> list[nn.Module]:
        """Networks of pictures in this stage's steps: faster channels last. Stage reverse only reads them."""
        return [] if self.stage == "hyperprior" else [self.model.encoder, self.model.decoder]

    @cached_property
    def trained(self) -> dict[str, nn.Parameter]:
        """The trained weights by their names in the state dict."""
        return trained_weights(self, self.groups())

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Replace the weights by the weights for export: the moving average if there is one, else no change."""
        if self.average is None:
            yield
            return
        with self.average.in_place_of(self.trained):
            yield

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """See `make_optimisers`."""
        return make_optimisers(self.groups(), self.discriminator, self.options)

    def generator(self) -> torch.Generator:
        """Generator of the current step: a pure function of seed and step, so that a resumed run repeats it."""
        return torch.Generator().manual_seed((self.options.seed << 32) + self.step_index)

    def ratios(self, count: int, generator: torch.Generator) -> list[Ratios]:
        """Ratios of this process's share of a batch, `count` pictures, drawn for each picture of the whole batch."""
        size, favoured = count * rank_and_size()[1], self.model.config.default_ratios
        return draw_ratios(size, favoured, self.options.favoured_share, generator=generator)[own_share(size)]

    def masks(self, picture: Tensor, generator: torch.Generator) -> GranularityMap:
        """Granularity maps of this process's share by information density, at drawn ratios."""
        return select_cells(self.model.config, picture, self.ratios(len(picture), generator))

    def adversarial(self, batch: Tensor, decoded: Tensor, base: Tensor) -> Tensor:
        """Add the adversarial term to a loss of decoded pictures, once it is active, and train the discriminator."""
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
        """Backward pass, clipping, scheduled optimiser step; a step with a non-finite gradient is skipped."""
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
        """Save the step with the weights, and what they were trained on; randomness follows from the step."""
        checkpoint["step_index"] = self.step_index
        checkpoint[RECORD_KEY] = [*self.trained_on, line_of(self.stage, self.step_index, self.pictures)]
        if self.average is not None:
            checkpoint[CHECKPOINT_KEY] = self.average.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Load the step and the average; an average that the checkpoint lacks starts at its weights."""
        self.step_index = checkpoint["step_index"]
        self.trained_on = before_resuming(recorded(checkpoint), self.stage, self.step_index, self.pictures)
        if self.average is not None and CHECKPOINT_KEY in checkpoint:
            self.average.load_state_dict(checkpoint[CHECKPOINT_KEY])
