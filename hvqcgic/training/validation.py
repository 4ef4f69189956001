"""Whole validation pictures coded by the model at its default ratios."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hvqcgic.models import Codes, GranularityMap, HvqModel, Ratios, pad_to_cells, select_cells
from hvqcgic.perceptual import Perceptual
from hvqcgic.training.rate import HyperLatentPriors, Rate, arithmetic_lengths, estimate_rate, static_bits


@dataclass(frozen=True)
class Measured:
    """Results of one validation picture.

    Attributes:
        decoded: (1, 3, H, W), clamped to [0, 1], at the picture's own size.
        masks: the granularity map.
        codes: indices and codes.
        rate: estimated bits, or None in stage backbone.
        psnr_db: against the picture.
        lpips: NaN without a perceptual network.
        static_bits: bits of the indices under static arithmetic coding.
    """

    decoded: Tensor
    masks: GranularityMap
    codes: Codes
    rate: Rate | None
    psnr_db: float
    lpips: float
    static_bits: float


@torch.no_grad()
def measure(
    model: HvqModel, priors: HyperLatentPriors | None, picture: Tensor, ratios: Ratios, *, perceptual: Perceptual | None
) -> Measured:
    """Compute codes, picture, quality and estimated bits of one picture, in full precision.

    Args:
        model: in evaluation mode.
        priors: of the hyper-latents; None for no rate.
        picture: (3, H, W), in [0, 1].
        ratios: (fine, medium, coarse).
        perceptual: LPIPS or None.
    """
    with torch.autocast(picture.device.type, enabled=False):
        height, width = picture.shape[-2:]
        padded = pad_to_cells(picture[None])
        masks = select_cells(model.config, padded, [ratios])
        features = model.features(padded)
        codes = model.quantise(features, masks)
        rate = estimate_rate(model, priors, features, masks, codes) if priors is not None else None
        assembled = None
        if rate is not None and model.config.backbone.decoder_prior:
            assembled = model.assemble_parameters(rate.parameters, masks)
        decoded = model.reconstruct(codes.maps, masks, assembled, model.means_of(features))
        decoded = decoded[..., :height, :width].clamp(0, 1)
        mse = (decoded - picture).square().mean().clamp(min=1e-10)
        lpips = float(perceptual(decoded, picture[None])) if perceptual is not None else float("nan")
        static = float(static_bits(arithmetic_lengths(model.quantiser.usage), codes))
        return Measured(decoded, masks, codes, rate, float(-10 * torch.log10(mse)), lpips, static)
