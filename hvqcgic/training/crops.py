"""Pictures decoded once and held as uint8, and crops cut from them by a few kernels per batch, on any device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

# Crops of a batch share scales in groups, so that a batch takes few kernels on a GPU.
_SCALE_GROUPS = 4
_UNSCALED_SHARE = 0.5


@dataclass(frozen=True)
class CachedCrops:
    """Crops with precomputed features, see `hvqcgic.training.feature_cache`.

    Attributes:
        picture: (B, 3, crop_px, crop_px), float32 in [0, 1].
        features: of the encoder, (B, d, h_g, w_g) each, float32.
    """

    picture: Tensor
    features: dict[str, Tensor]

    def to(self, device: torch.device | str) -> CachedCrops:
        """Copy to `device`; Lightning moves batches with this method."""
        return CachedCrops(self.picture.to(device), {g: y.to(device) for g, y in self.features.items()})


Batch = Tensor | CachedCrops
"""Input of a training step: pictures (B, 3, H, W), float32 in [0, 1], or crops with precomputed features."""


@dataclass(frozen=True)
class PicturePool:
    """Pictures of any size in one tensor.

    Attributes:
        pixels: all pictures one after another, row by row, (N_px, 3), uint8.
        starts: index of each picture's first pixel, (N,), int64.
        sizes: height and width of each picture in pixels, (N, 2), int64, on the CPU.
    """

    pixels: Tensor
    starts: Tensor
    sizes: np.ndarray

    @classmethod
    def of(cls, pictures: Sequence[np.ndarray], device: torch.device | str = "cpu") -> PicturePool:
        """Copy pictures, each (H, W, 3) uint8, into one pool on `device`."""
        sizes = np.array([picture.shape[:2] for picture in pictures], np.int64).reshape(-1, 2)
        areas = sizes.prod(1)
        pixels = torch.empty((int(areas.sum()), 3), dtype=torch.uint8)
        starts = np.concatenate(([0], np.cumsum(areas)[:-1])).astype(np.int64)
        for start, area, picture in zip(starts, areas, pictures, strict=True):
            pixels[start : start + area] = torch.from_numpy(np.ascontiguousarray(picture).reshape(-1, 3))
        return cls(pixels.to(device), torch.from_numpy(starts).to(device), sizes)

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.sizes)

    @property
    def device(self) -> torch.device:
        """Device of the pixels and of the crops."""
        return self.pixels.device

    def windows(self, chosen: np.ndarray, corners: np.ndarray, side_px: int, mirrored: np.ndarray) -> Tensor:
        """Cut square windows; beyond a picture's right or bottom edge, the last column or row is repeated.

        Args:
            chosen: picture of each window, (B,), int64.
            corners: top and left of each window in pixels, (B, 2), int64, inside the picture.
            side_px: side of the windows.
            mirrored: windows to flip left to right, (B,), bool.
        Returns:
            windows, (B, 3, side_px, side_px), uint8.
        """
        top, left, height, width, flip, picture = (
            torch.from_numpy(np.ascontiguousarray(column)).to(self.device, non_blocking=True)[:, None]
            for column in (*corners.T, *self.sizes[chosen].T, mirrored, chosen)
        )
        step = torch.arange(side_px, device=self.device)[None]
        rows = torch.minimum(top + step, height - 1)
        columns = torch.minimum(left + torch.where(flip, side_px - 1 - step, step), width - 1)
        index = (self.starts[picture] + rows * width)[:, :, None] + columns[:, None, :]
        flat = self.pixels.index_select(0, index.flatten())
        return flat.view(len(chosen), side_px, side_px, 3).permute(0, 3, 1, 2)

    def crops(
        self,
        chosen: np.ndarray,
        crop_px: int,
        downscale: float,
        generator: np.random.Generator,
        *,
        share: slice = slice(None),
    ) -> Tensor:
        """Cut a random crop from each chosen picture: position, left-right flip, and a random downscale for about half.

        Args:
            chosen: picture of each crop, (B,), int64.
            crop_px: side of the crops in pixels.
            downscale: largest side of the source window in units of crop_px, limited by the picture's size.
            generator: source of all randomness.
            share: the crops of the batch to cut; the random numbers do not depend on it.
        Returns:
            crops, (B, 3, crop_px, crop_px), float32 in [0, 1], on the pool's device; B is that of the share.
        Determinism: random(generator) for the windows; resampling is same-device.
        """
        wanted = np.zeros(len(chosen), bool)
        wanted[share] = True
        groups = min(_SCALE_GROUPS, len(chosen))
        parts = zip(np.array_split(chosen, groups), np.array_split(wanted, groups), strict=True)
        return torch.cat([self._scaled(part, cut, crop_px, downscale, generator) for part, cut in parts])

    def _scaled(
        self, chosen: np.ndarray, wanted: np.ndarray, crop_px: int, downscale: float, generator: np.random.Generator
    ) -> Tensor:
        """Cut the requested crops of one scale, (B, 3, crop_px, crop_px), float32 in [0, 1]."""
        sizes = self.sizes[chosen]
        side = crop_px
        if generator.random() >= _UNSCALED_SHARE:
            side = round(crop_px * downscale ** generator.random())
        side = max(crop_px, min(side, int(sizes.min())))
        corners = generator.integers(0, np.maximum(sizes - side, 0) + 1)
        mirrored = generator.random(len(chosen)) < 0.5
        windows = self.windows(chosen[wanted], corners[wanted], side, mirrored[wanted]).to(torch.float32) / 255
        if side == crop_px or not len(windows):
            return windows[..., :crop_px, :crop_px].contiguous()
        return F.interpolate(windows, (crop_px, crop_px), mode="bilinear", antialias=True).clamp(0, 1)
