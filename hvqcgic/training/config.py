"""Configuration of a training: one flat dataclass; every field is an option of `python -m hvqcgic.train`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hvqcgic.schema import build, check, number

Stage = Literal["backbone", "hyperprior", "joint", "reverse", "proxy"]
RateGradient = Literal["soft", "none"]
Optimiser = Literal["adamw", "muon"]


@dataclass(frozen=True)
class TrainingConfig:
    """Loss, schedule and sampling of one stage.

    The loss is D + lambda * R: D = mse_weight * MSE + l1_weight * L1 + lpips_weight * LPIPS on pictures in [0, 1], R in
    bits per pixel of the crop. The terms of D are `hvqcgic.perceptual.TERMS`.

    Attributes:
        lmbda: weight of one bit per pixel against D; 0.01 to 0.3 is the useful range.
        lmbda_warmup: steps over which lambda rises from 0 (stage joint).
        lmbda_slope: lambda is divided by the relative number of a picture's cells to this power, for the rate that
            reaches the features; the reference is the number of cells at the model's default ratios. 0 uses one
            lambda for all ratios. 0.6 follows the slope along the bundled model's ratio path (0.45 with all cells
            coarse, 0.08 with all cells fine).
        z_warmup: steps over which the price of hyper-latents rises from 0 (stages hyperprior and joint).
        mse_weight: weight of the mean squared error on a 0 to 1 scale.
        l1_weight: weight of the mean absolute error on a 0 to 1 scale.
        lpips_weight: weight of LPIPS.
        lpips_shift: each step crops a random number of upper rows and left columns, 0 to this number, from the
            input of LPIPS. Without the shift the stride of the network, 4 px in AlexNet, coincides with the grid of
            the cells, and the decoder learns a grid texture that the loss accepts as detail. 3 covers every offset.
        lpips_start: first step of stage backbone with LPIPS in the loss, and first step of stage reverse with
            decoded pictures in the loss; stage joint always uses LPIPS.
        commitment_weight: weight of the mean squared distance from features to their codes.
        adversarial_weight: largest share of the adversarial gradient, relative to the distortion's, at the
            decoder's last layer; 0 trains without a discriminator.
        adversarial_start: first step of stages backbone and reverse with the discriminator; stage joint always uses
            it.
        features_weight: weight of the mean squared distance from estimated to true features in stage reverse, in
            units of the distance from codes to features.
        texture_weight: weight of the distance between the local statistics of NIQE of the decoded and of the true
            picture in stage reverse.
        rate_gradient: path of the rate's gradient to the features in stage joint: `soft` (cross-entropy of
            softmax(-distance^2 / tau) against the prior, as in RDVQ), or `none`.
        tau: temperature of `soft`, in units of the mean squared distance to the nearest code.
        usage_weight: share, 0 to 1, of the bits that the global use of codes would take in static coding, which
            `soft` does not charge: a large lambda then makes codes easier to predict, and not fewer. The use is that of
            the cells of a process's own share of the batch.
        rdo_choice: eta of k = argmin |y - e_k|^2 + eta * bits(k) in training (stage joint), for one bit in units of
            the mean squared distance to the nearest code; 0 chooses the nearest code.
        rdo_warmup: steps over which this eta rises from 0.
        steps: optimiser steps of this stage.
        optimiser: `adamw`, or `muon` for convolutions between hidden layers and AdamW for all other weights.
        learning_rate: learning rate of the picture networks after warm-up.
        entropy_learning_rate: learning rate of hyperpriors, context networks and index prior after warm-up.
        final_learning_rate: remaining share of the learning rates at the last step (cosine schedule).
        warmup_steps: steps of linear warm-up.
        weight_decay: weight decay of AdamW.
        gradient_clip: largest norm of the gradient.
        ema_decay: decay of the moving average of the trained weights, below 1. Validation, export and `--init` then
            use the average (validation measures both). The decay rises from 0.1 as (1 + n) / (10 + n). 0 keeps no
            average.
        codebook_start: step at which k-means initialises the codebook; earlier steps do not quantise.
        codebook_decay: decay of the codebook's moving average, 0 to 1; a value nearer to 1 is slower.
        codebook_slowdown: factor by which the codebook moves more slowly in stage joint, at least 1.
        favoured_share: share of the pictures trained at the model's default ratios, 0 to 1; the ratios of the
            others are drawn uniformly.
        rd_share: share of the pictures whose cells are chosen by distortion, as `--granularity rd` does, where the
            model has a proxy decoder (stages hyperprior and joint), 0 to 1; the cells of the others are chosen by
            information density.
        validate_every: steps between validations.
        validation_pictures: number of validation pictures to measure.
        file_pictures: number of these pictures that are also coded to real files (stages hyperprior and joint).
        seed: seed of weights, crops, ratios and noise.
    """

    lmbda: float = number(0.08, called="--lambda")
    lmbda_warmup: int = 300
    lmbda_slope: float = 0.6
    z_warmup: int = 500
    mse_weight: float = 1.0
    l1_weight: float = 0.03
    lpips_weight: float = 0.35
    lpips_shift: int = number(3, high=15)
    lpips_start: int = 200
    commitment_weight: float = 0.02
    adversarial_weight: float = 0.0
    adversarial_start: int = 0
    features_weight: float = 0.01
    texture_weight: float = 0.0
    rate_gradient: RateGradient = "soft"
    tau: float = number(1.0, low=1e-3)
    usage_weight: float = number(0.0, high=1)
    rdo_choice: float = 0.0
    rdo_warmup: int = 1
    steps: int = 2500
    optimiser: Optimiser = "adamw"
    learning_rate: float = 8e-4
    entropy_learning_rate: float = 1.5e-3
    final_learning_rate: float = number(0.02, high=1)
    warmup_steps: int = 100
    weight_decay: float = 1e-4
    gradient_clip: float = number(1.0, low=1e-6)
    ema_decay: float = number(0.0, high=0.999999)
    codebook_start: int = 200
    codebook_decay: float = number(0.99, high=1)
    codebook_slowdown: float = number(5.0, low=1)
    favoured_share: float = number(0.5, high=1)
    rd_share: float = number(0.0, high=1)
    validate_every: int = number(500, low=1)
    validation_pictures: int = number(8, low=1)
    file_pictures: int = 4
    seed: int = number(0, high=(1 << 63) - 1)

    def __post_init__(self) -> None:
        """Raise `ConfigError` for a number out of its range; the message names the option."""
        check(self, "--training")

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> TrainingConfig:
        """The settings of a checkpoint.

        Raises:
            ConfigError: a field is unknown, or holds what it must not hold.
        """
        return build(TrainingConfig, values, "--training")
