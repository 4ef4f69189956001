"""Refinement: gradient descent on one picture's features before quantisation, for a decoded picture closer to it.

The encoder network was trained on many pictures, so its features are not optimal for any single picture. A few steps of
gradient descent on the training distortion, through the fixed decoder, find better features for the picture. The file
format is unchanged. Encoding takes longer, decoding does not.

Source: Campos, Meierhans, Djelouah and Schroers 2019, "Content adaptive optimization for neural image compression".
Deviations: a vector quantiser with a straight-through gradient, and LPIPS of two networks on pictures shifted off the
grid of the cells, so that the gain does not come from the weaknesses of one network. Each network sees few shifts, for
which the original's features are computed once. Steps are larger for features with larger gradients, see `_Descent`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from hvqcgic.bitstream import CELL_PX, GRANULARITIES
from hvqcgic.coder import UNIT, Analysed, PictureCoder, Tile, tiles
from hvqcgic.entropy import Masks
from hvqcgic.models import GranularityMap, PictureModel, assemble, gradients_as, scatter_rows
from hvqcgic.perceptual import SMALLEST_SIDE_PX, Lpips, distortion, load_lpips

NETWORKS: Mapping[str, float] = {"alex": 0.014, "squeeze": 0.0245}
"""Feature networks of LPIPS and their weights, a tenth of those in training: the squared error then leads where LPIPS
sees little, and LPIPS falls as far. A few steps lower the distance of SqueezeNet less than AlexNet's."""
WINDOW_PX, HALO_PX = 512, 64
"""Side of the largest part of a picture whose gradient is in memory at once, and overlap of the parts."""
FIRST_RATE, LAST_RATE = 0.4, 0.03
"""Approximate movement of a feature in the first and last step (cosine schedule), in units of the distance to codes."""
BETAS = (0.5, 0.9)
"""Betas of Adam, smaller than in training because there are few steps."""
SHIFTS, LARGEST_SHIFT_PX = 3, 3
"""Number of shifts of the picture for each network, and rows or columns that a shift hides at most."""
SMALLEST_SCALE, SMALLEST_GRADIENT = 1e-6, 1e-12
"""Keep steps and divisions finite where codes fit exactly or the gradient is 0."""


@dataclass(frozen=True)
class Weights:
    """Weights of the distortion's parts without LPIPS, as in the training of the bundled models."""

    mse_weight: float = 1.0
    l1_weight: float = 0.03


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
        generator: source of the numbers of rows and columns, up to 3, that the steps hide from LPIPS; on the CPU.
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
    descent = {g: _Descent(y[g], cores[g] * masks[g]) for g in GRANULARITIES}
    originals = _originals(pixels, generator)

    def decode() -> Tensor:
        maps = networks.quantise(y, masks).maps
        with gradients_as(networks, pixels.device):
            decoded = networks.reconstruct(maps, masks, told, means).float()
        return decoded[..., : pixels.shape[-2], : pixels.shape[-1]]

    def error() -> float:
        return float(distortion(pixels, decode().detach(), WEIGHTS, None).total)

    # Of so few cells as a picture too small for LPIPS has, the steps may find none that are better.
    before = error() if originals is None else math.inf
    for step in range(steps):
        decoded = decode()
        with gradients_as(networks, pixels.device):
            of_decoded = _gradient(pixels, decoded.detach(), originals, step)
        for g, gradient in zip(GRANULARITIES, torch.autograd.grad(decoded, list(y.values()), of_decoded), strict=True):
            descent[g].step(gradient, max(scale, SMALLEST_SCALE) * rate(step, steps))
        yield step + 1
    if originals is None and error() > before:
        return
    for g in GRANULARITIES:
        tile.put(y[g].detach(), planes.features[g], CELL_PX[g])


def _gradient(pixels: Tensor, decoded: Tensor, originals: _Originals | None, step: int) -> Tensor:
    """Gradient of the distortion with respect to a decoded picture, (1, 3, H, W); one network at a time for memory.

    The step, counted from 0, decides on the shift of the pictures that each network sees.
    """
    decoded.requires_grad_()
    (total,) = torch.autograd.grad(distortion(pixels, decoded, WEIGHTS, None).total, decoded)
    if originals is None:
        return total
    for name, weight in NETWORKS.items():
        (gradient,) = torch.autograd.grad(originals.distance(name, decoded, step), decoded)
        total.add_(gradient, alpha=weight)
    return total


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


class _Descent:
    """Adam for the features of one granularity, (1, d, h, w), that divides by less than the size of each gradient.

    Adam divides a gradient by its own size, so that all features move equally far. Here it is divided by the geometric
    mean of its own size and of the mean size over the cells: features that change the picture more move further, and
    the others do not get other indices without a gain.

    Args:
        y: the features, which are changed in place.
        moves: 1 for the features that may move, else 0: (1, 1, h, w) or (1, d, h, w).
    """

    def __init__(self, y: Tensor, moves: Tensor) -> None:
        self._y, self._moves = y, moves.expand_as(y)
        self._mean, self._square = torch.zeros_like(y), torch.zeros_like(y)
        self._steps = 0

    @torch.no_grad()
    def step(self, gradient: Tensor, rate: float) -> None:
        """Take one step against the gradient, (1, d, h, w), of about `rate` in units of the features."""
        self._steps += 1
        gradient = gradient * self._moves
        self._mean.lerp_(gradient, 1 - BETAS[0])
        self._square.lerp_(gradient.square(), 1 - BETAS[1])
        mean, square = (m / (1 - beta**self._steps) for m, beta in zip((self._mean, self._square), BETAS, strict=True))
        common = square.sum() / self._moves.sum().clamp(min=1)
        self._y.sub_(rate * mean / ((square.sqrt() * common.sqrt()).sqrt() + SMALLEST_GRADIENT))


class _Originals:
    """LPIPS against one original, at a few shifts, with features of the original computed once.

    Args:
        pixels: the original, (1, 3, H, W), in [0, 1].
        generator: source of the shifts.
    """

    def __init__(self, pixels: Tensor, generator: torch.Generator) -> None:
        self._pixels = pixels
        self._shifts = {name: _shifts(generator) for name in NETWORKS}
        self._known: dict[tuple[str, int], list[Tensor]] = {}

    def distance(self, name: str, decoded: Tensor, step: int) -> Tensor:
        """LPIPS of a network for a decoded picture, (1, 3, H, W), at the shift of a step; a scalar."""
        network, turn = _network(name).to(decoded.device), step % SHIFTS
        row, column = self._shifts[name][turn]
        if (name, turn) not in self._known:
            self._known[name, turn] = network.features(self._pixels[..., row:, column:])
        return network.distance(network.features(decoded[..., row:, column:]), self._known[name, turn]).mean()


def _shifts(generator: torch.Generator) -> list[tuple[int, int]]:
    """Numbers of rows and columns that LPIPS does not see, up to `LARGEST_SHIFT_PX`; no two have either in common."""
    rows, columns = (torch.randperm(LARGEST_SHIFT_PX + 1, generator=generator).tolist() for _ in range(2))
    return list(zip(rows, columns, strict=True))[:SHIFTS]


def _originals(pixels: Tensor, generator: torch.Generator) -> _Originals | None:
    """LPIPS against an original, (1, 3, H, W); None for a picture that is too small for it."""
    if min(pixels.shape[-2:]) < SMALLEST_SIDE_PX + LARGEST_SHIFT_PX:
        return None
    return _Originals(pixels, generator)


@cache
def _network(name: str) -> Lpips:
    return load_lpips(name)
