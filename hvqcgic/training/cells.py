"""Granularity maps of training pictures by distortion, as encoders choose them (`hvqcgic.rate_control.rd_order`)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.models import GranularityMap, HvqModel, Ratios
from hvqcgic.perceptual import square_distortions
from hvqcgic.rate_control import RdOrder


@torch.no_grad()
def cells_by_distortion(
    model: HvqModel, picture: Tensor, features: dict[str, Tensor], density: Tensor, ratios: Sequence[Ratios]
) -> GranularityMap:
    """The granularity map of each picture with the lowest distortion, by the model's proxy decoder.

    Args:
        model: with a proxy decoder and a codebook.
        picture: (B, 3, H, W), in [0, 1]; H and W multiples of 16.
        features: of the pictures, see `PictureModel.features`.
        density: information density of their squares of 8 px, (B, H/8, W/8).
        ratios: one (fine, medium, coarse) for each picture, which give the number of its indices.
    """
    means, planes = model.means_of(features), {}
    densities = density.double().cpu().numpy()
    for g in GRANULARITIES:
        masks = uniform_map(features, g)
        # As in every step, codes are in float32 for any precision of the picture networks.
        with torch.autocast(picture.device.type, enabled=False):
            codes = model.quantise(features, masks).maps
        decoded = model.approximate(codes, masks, means).float()
        planes[g] = square_distortions(picture, decoded).double().cpu().numpy()
    chosen = [
        RdOrder({g: plane[item] for g, plane in planes.items()}, densities[item]).masks(wanted)
        for item, wanted in enumerate(ratios)
    ]
    stacked = (torch.stack([torch.from_numpy(masks[g])[None] for masks in chosen]) for g in GRANULARITIES)
    return GranularityMap(*(plane.to(picture.device) for plane in stacked))


def uniform_map(features: dict[str, Tensor], granularity: str) -> GranularityMap:
    """The map of features (B, d, h_g, w_g) whose cells all have one granularity."""
    return GranularityMap(
        *(torch.full_like(features[g][:, :1], g == granularity, dtype=torch.bool) for g in GRANULARITIES)
    )


def replaced(masks: GranularityMap, taken: Sequence[int], others: GranularityMap) -> GranularityMap:
    """Granularity maps of a batch with some of its pictures' maps replaced.

    Args:
        masks: of B pictures.
        taken: places of N of these pictures.
        others: of these N pictures.
    """
    places = torch.tensor(taken, device=masks.coarse.device)
    return GranularityMap(*(masks[g].index_copy(0, places, others[g]) for g in GRANULARITIES))
