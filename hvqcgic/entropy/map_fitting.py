"""Fit of the map coder's networks to the granularity maps of many pictures; at training time only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from hvqcgic.entropy.integers import shrink, smallest_integers
from hvqcgic.entropy.map_coding import (
    INPUTS,
    LOGIT_LIMIT,
    LOGIT_STEPS,
    PLANES,
    PROBABILITY_BITS,
    WEIGHT_BITS,
    Wave,
    run_plane,
)
from hvqcgic.entropy.masks import BoolArray, Masks, regrid

HIDDEN = 32
BATCH = 1024
CELLS_PER_PLANE = 600
LEARNING_RATE = 5e-3


@dataclass(frozen=True)
class _Examples:
    """Cells of a wave: features (N, INPUTS) packed to bytes, and whether each is taken, (N,) bool."""

    features: NDArray[np.uint8]
    taken: BoolArray


def fit_map_coder(maps: Iterable[Masks], *, steps: int = 6000, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Fit the integer arrays of `hvqcgic.entropy.map_coding.MapCoder`.

    Args:
        maps: granularity maps of many pictures at many ratios; without maps, all probabilities are one half.
        steps: optimiser steps for each of the two planes; 6000 take about a minute.
        seed: seed of the initial weights and of the order of examples.
    """
    rng = np.random.default_rng(seed)
    examples: dict[str, list[_Examples]] = {plane: [] for plane in PLANES}
    for masks in maps:
        closed = {"coarse": np.zeros_like(masks.coarse), "medium": regrid(masks.coarse, "coarse", "medium")}
        for plane in PLANES:
            examples[plane] += _collect(masks[plane], closed[plane], rng)
    logits = np.arange(-LOGIT_LIMIT * LOGIT_STEPS, LOGIT_LIMIT * LOGIT_STEPS + 1) / LOGIT_STEPS
    top = 2**PROBABILITY_BITS
    probabilities = np.clip(np.round(top / (1 + np.exp(-logits))), 1, top - 1)
    arrays: dict[str, NDArray[Any]] = {"map.probabilities": shrink(probabilities.astype(np.int64))}
    for plane in PLANES:
        hidden, output = _fit(examples[plane], steps, torch.Generator().manual_seed(seed))
        arrays[f"map.{plane}.hidden"] = smallest_integers(hidden, WEIGHT_BITS, f"map.{plane}.hidden")
        output_bits = np.append(np.full(len(output) - 1, WEIGHT_BITS), 2 * WEIGHT_BITS)
        arrays[f"map.{plane}.output"] = smallest_integers(output * 2.0**output_bits, 0, f"map.{plane}.output")
    return arrays


def _collect(plane: BoolArray, closed: BoolArray, rng: np.random.Generator) -> list[_Examples]:
    """Collect the cells of a plane in which there was a choice; a random part of a large plane, to bound memory."""
    share = CELLS_PER_PLANE / max(np.count_nonzero(~closed), 1)
    seen: list[_Examples] = []

    def resolve(wave: Wave) -> BoolArray:
        taken = plane[wave.rows, wave.columns]
        drawn = rng.random(len(taken)) < share
        seen.append(_Examples(np.packbits(wave.features()[drawn], axis=1), taken[drawn]))
        return taken

    run_plane(closed, int(np.count_nonzero(plane)), resolve)
    return seen


def _fit(
    examples: list[_Examples], steps: int, generator: torch.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit hidden (INPUTS, H) and output (H + 1,) weights by minimising the cross-entropy of the examples."""
    if not examples:
        return np.zeros((INPUTS, 1)), np.zeros(2)
    features = torch.from_numpy(np.concatenate([e.features for e in examples]))
    taken = torch.from_numpy(np.concatenate([e.taken for e in examples])).float()
    hidden = (torch.randn(INPUTS, HIDDEN, generator=generator) * 0.1).requires_grad_()
    output = (torch.randn(HIDDEN + 1, generator=generator) * 0.1).requires_grad_()
    optimiser = torch.optim.Adam([hidden, output], LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        batch = torch.randint(len(taken), (BATCH,), generator=generator)
        inputs = torch.from_numpy(np.unpackbits(features[batch].numpy(), axis=1, count=INPUTS)).float()
        logits = F.relu(inputs @ hidden) @ output[:-1] + output[-1]
        loss = F.binary_cross_entropy_with_logits(logits, taken[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return hidden.detach().double().numpy(), output.detach().double().numpy()
