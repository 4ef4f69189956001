"""Refinement: gradient descent on one picture's features before quantisation, for a decoded picture closer to it.

The encoder network was trained on many pictures, so its features are not optimal for any single picture. A few steps of
gradient descent on the training distortion, through the fixed decoder, find better features for the picture. The file
format is unchanged. Encoding takes longer, decoding does not.

Source: Campos, Meierhans, Djelouah and Schroers 2019, "Content adaptive optimization for neural image compression".
Deviations: a vector quantiser with a straight-through gradient, and LPIPS of two networks on pictures shifted off the
grid of the cells, so that the gain does not come from the weaknesses of one network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from hvqcgic.bitstream import CELL_PX, GRANULARITIES
from hvqcgic.coder import UNIT, Analysed, PictureCoder, Tile, tiles
from hvqcgic.entropy import Masks
from hvqcgic.models import GranularityMap, PictureModel, assemble, scatter_rows
from hvqcgic.perceptual import SMALLEST_SIDE_PX, Lpips, Perceptual, distortion, load_lpips, mean_of

NETWORKS = ("alex", "squeeze")
"""Feature networks of LPIPS; the distance is the mean over both."""
WINDOW_PX, HALO_PX = 512, 64
"""Side of the largest part of a picture whose gradient is in memory at once, and overlap of the parts."""
FIRST_RATE, LAST_RATE = 0.3, 0.03
"""Approximate movement of a feature in the first and last step (cosine schedule), in units of the distance to codes."""
BETAS = (0.8, 0.95)
"""Betas of Adam, smaller than in training because there are few steps."""
LARGEST_SHIFT_PX = 3
SMALLEST_SCALE = 1e-6


@dataclass(frozen=True)
class Weights:
    """Weights of the distortion's parts, as in the training of the bundled models; see `DistortionWeights`."""

    mse_weight: float = 1.0
    l1_weight: float = 0.03
    lpips_weight: float = 0.35


WEIGHTS = Weights()


Progress = Callable[[int, int], None]
"""Function called after each step with the number of finished steps and the number of all steps."""


def refine(
    coder: PictureCoder,
    picture: Analysed,
    masks: Masks,
    *,
    steps: int,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> Analysed:
    """Refine the features of a picture for a granularity map.

    Args:
        coder: of the model.
        picture: analysed by the coder.
        masks: the granularity map; features outside of its cells do not change.
        steps: of gradient descent, 0 or more.
        generator: source of the numbers of rows and columns, up to 3, that each step hides from LPIPS; on the CPU.
        progress: called after each step; a large picture is refined in parts, with all steps for each part.
    Returns:
        the picture with its new features. A picture that is too small for LPIPS is refined without it.
    Raises:
        WeightsMissing: the weights of LPIPS's networks are missing and cannot be downloaded.
    Determinism: same-device (generator).
    """
    planes = _Planes(coder, picture, masks)
    height, width = (side * UNIT for side in picture.grid)
    parts = tiles(height, width, most=WINDOW_PX, halo=HALO_PX, unit=UNIT)
    for number, tile in enumerate(parts):
        for done in _refine_window(coder.networks, planes, tile, steps, generator):
            if progress is not None:
                progress(number * steps + done, len(parts) * steps)
    return picture.with_features(planes.features)


class _Planes:
    """A whole picture on the networks' device.

    Attributes:
        pixels: (1, 3, H, W) uint8, not padded; only windows of it are converted to [0, 1].
        masks: the granularity map.
        features: (1, d, h_g, w_g) each, a copy.
        means: the picture of local means, (1, 3, H, W), padded; None for a model without.
        told: the index prior's parameters of its cells, (1, P, H/4, W/4), for a decoder that reads them; computed from
            the indices before refinement.
    """

    def __init__(self, coder: PictureCoder, picture: Analysed, masks: Masks) -> None:
        device = coder.device
        self.pixels = torch.from_numpy(picture.pixels).permute(2, 0, 1)[None]
        self.masks = GranularityMap(*(torch.from_numpy(masks[g])[None, None].to(device) for g in GRANULARITIES))
        self.features = {g: y.clone() for g, y in picture.features.items()}
        self.means = coder.networks.means_of(picture.features)
        reads = coder.config.backbone.decoder_prior
        parameters = coder.decoder_parameters(coder.quantise(picture, masks)) if reads else None
        self.told = None
        if parameters is not None:
            rows = {g: torch.from_numpy(parameters[g].T).float().to(device) for g in GRANULARITIES}
            self.told = assemble({g: scatter_rows(rows[g], self.masks[g]) for g in GRANULARITIES}, self.masks)


def _refine_window(
    networks: PictureModel, planes: _Planes, tile: Tile, steps: int, generator: torch.Generator
) -> Iterator[int]:
    """Refine the features of a tile's core in place, with fixed features in the halo; yield the number of each step."""
    pixels = tile.window(planes.pixels).to(planes.masks.fine.device).float() / 255
    masks = GranularityMap(*(tile.window(planes.masks[g], CELL_PX[g]) for g in GRANULARITIES))
    told = None if planes.told is None else tile.window(planes.told, CELL_PX["fine"])
    means = None if planes.means is None else tile.window(planes.means)
    y = {g: tile.window(planes.features[g], CELL_PX[g]).clone().requires_grad_() for g in GRANULARITIES}
    cores = {g: _core(tile, y[g], CELL_PX[g]) for g in GRANULARITIES}
    scale = float(networks.quantise(y, masks).quantised.commitment.detach().mean().sqrt())
    optimiser = torch.optim.Adam(y.values(), betas=BETAS)
    perceptual = _perceptual(pixels)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = max(scale, SMALLEST_SCALE) * rate(step, steps)
        decoded = networks.reconstruct(networks.quantise(y, masks).maps, masks, told, means)
        decoded = decoded[..., : pixels.shape[-2], : pixels.shape[-1]]
        row, column = torch.randint(LARGEST_SHIFT_PX + 1, (2,), generator=generator).tolist()
        loss = distortion(pixels, decoded, WEIGHTS, perceptual, shift=(row, column)).total
        for g, gradient in zip(GRANULARITIES, torch.autograd.grad(loss, list(y.values())), strict=True):
            y[g].grad = gradient * cores[g]
        optimiser.step()
        yield step + 1
    for g in GRANULARITIES:
        tile.put(y[g].detach(), planes.features[g], CELL_PX[g])


def rate(step: int, steps: int) -> float:
    """Approximate movement of a feature in a step, counted from 0; see `FIRST_RATE`."""
    return LAST_RATE + (FIRST_RATE - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * step / steps))


def _core(tile: Tile, window: Tensor, scale: int) -> Tensor:
    """Mask with 1 in the core of a tile's window, (1, C, h, w), on a grid `scale` times coarser than pixels; else 0."""
    inside = torch.zeros_like(window, requires_grad=False)
    (top, bottom), (left, right) = (
        ((span.first - span.start) // scale, (span.last - span.start) // scale) for span in (tile.rows, tile.columns)
    )
    inside[..., top:bottom, left:right] = 1
    return inside


def _perceptual(pixels: Tensor) -> Perceptual | None:
    """LPIPS for pictures of one shape, (1, 3, H, W), the mean over its networks; None for pictures that are too small.

    The features of the original are computed at every step, because each step has another shift.
    """
    if min(pixels.shape[-2:]) < SMALLEST_SIDE_PX + LARGEST_SHIFT_PX:
        return None
    return mean_of([_network(name).to(pixels.device) for name in NETWORKS])


@cache
def _network(name: str) -> Lpips:
    return load_lpips(name)
