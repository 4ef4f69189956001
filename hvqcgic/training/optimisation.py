"""Trained weights of a stage, their optimisers, and their learning rates."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from hvqcgic.models import HvqModel
from hvqcgic.training.config import Stage, TrainingConfig
from hvqcgic.training.muon import Muon, split_hidden
from hvqcgic.training.rate import HyperLatentPriors


def parameter_groups(
    model: HvqModel, priors: HyperLatentPriors, stage: Stage, options: TrainingConfig
) -> list[dict[str, Any]]:
    """Weights that a stage trains: one optimiser group for picture networks, and one for entropy networks.

    Args:
        model: the model.
        priors: of its hyper-latents.
        stage: backbone omits the entropy networks, hyperprior omits the picture networks.
        options: learning rates; "base_lr" holds a group's learning rate while "lr" follows the schedule.
    """
    groups = []
    if stage != "hyperprior":
        groups.append({"params": model.backbone_parameters(), "lr": options.learning_rate})
    if stage != "backbone":
        own = (weight for name, weight in priors.named_parameters() if "quantiles" not in name)
        groups.append({"params": [*model.entropy_parameters(), *own], "lr": options.entropy_learning_rate})
    return [group | {"base_lr": group["lr"]} for group in groups]


def make_optimisers(
    groups: list[dict[str, Any]], discriminator: nn.Module | None, options: TrainingConfig
) -> list[torch.optim.Optimizer]:
    """Create the optimiser of the groups, and AdamW for a discriminator; fused takes a quarter of the time."""
    kind = Muon if options.optimiser == "muon" else torch.optim.AdamW
    split = split_hidden(groups) if options.optimiser == "muon" else groups
    optimisers: list[torch.optim.Optimizer] = [
        kind(split, weight_decay=options.weight_decay, betas=(0.9, 0.98), fused=True)
    ]
    if discriminator is not None:
        weights = discriminator.parameters()
        optimisers.append(torch.optim.AdamW(weights, lr=options.learning_rate, betas=(0.5, 0.9), fused=True))
    return optimisers


def trained_weights(module: nn.Module, groups: list[dict[str, Any]]) -> dict[str, nn.Parameter]:
    """Return the weights of groups by their names in a module."""
    trained = {id(weight) for group in groups for weight in group["params"]}
    return {name: weight for name, weight in module.named_parameters() if id(weight) in trained}


def learning_rate_share(options: TrainingConfig, step: int) -> float:
    """Share of the learning rate at a step: linear warm-up, then cosine to `final_learning_rate`.

    Args:
        options: the schedule.
        step: counted from 0.
    """
    if step < options.warmup_steps:
        return (step + 1) / options.warmup_steps
    share = min(1.0, (step - options.warmup_steps) / max(options.steps - options.warmup_steps, 1))
    return options.final_learning_rate + (1 - options.final_learning_rate) * 0.5 * (1 + math.cos(math.pi * share))
