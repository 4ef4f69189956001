"""LPIPS with three networks, LPIPS of shifted and scaled pictures, and DISTS.

A codec can overfit a metric that it was trained on. Trainings use LPIPS (alex). It is therefore also measured after a
shift of both pictures by half a pixel, after scaling both to 0.9, and with networks that no training here uses.
"""

from __future__ import annotations

import pickle
import warnings
from functools import cache
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from hvqcgic.evaluation.metrics.base import Metric, MetricOptions, MetricUnavailable, Picture
from hvqcgic.perceptual import LPIPS_PACKAGES, SMALLEST_SIDE_PX, Lpips, WeightsMissing, fetch_backbone, load_lpips

_RESCALE = 0.9


class _LpipsMetric(Metric):
    """LPIPS v0.1 (Zhang et al. 2018), lower is better."""

    packages = LPIPS_PACKAGES
    net: ClassVar[str] = "alex"

    def __init__(self, options: MetricOptions) -> None:
        """Load the network."""
        super().__init__(options)
        try:
            self._lpips = _load_lpips(self.net, options.device)
        except WeightsMissing as error:
            raise MetricUnavailable(str(error)) from error

    @torch.inference_mode()
    def measure(self, original: Picture, decoded: Picture) -> float:
        """Return the distance, 0 for equal pictures."""
        original.need_side(self._least_side_px())
        reference = original.remember(self.name, lambda: self._features(original))
        return float(self._lpips.distance(self._features(decoded), reference))

    def _features(self, picture: Picture) -> list[Tensor]:
        return self._lpips.features(self._move(picture.tensor))

    def _least_side_px(self) -> int:
        return SMALLEST_SIDE_PX

    def _move(self, picture: Tensor) -> Tensor:
        return picture


class LpipsAlex(_LpipsMetric):
    """LPIPS on AlexNet, which trainings use."""

    name = "lpips_alex"


class LpipsVgg(_LpipsMetric):
    """LPIPS on VGG-16."""

    name = "lpips_vgg"
    net = "vgg"


class LpipsSqueeze(_LpipsMetric):
    """LPIPS on SqueezeNet."""

    name = "lpips_squeeze"
    net = "squeeze"


class LpipsAlexShift(_LpipsMetric):
    """LPIPS on AlexNet after a shift of both pictures by half a pixel down and right (bilinear)."""

    name = "lpips_alex_shift"

    def _move(self, picture: Tensor) -> Tensor:
        return half_pixel_shift(picture)

    def _least_side_px(self) -> int:
        return SMALLEST_SIDE_PX + 1


class LpipsAlexRescale(_LpipsMetric):
    """LPIPS on AlexNet after scaling both pictures to 0.9 of their sides (bicubic, antialiased)."""

    name = "lpips_alex_rescale"

    def _move(self, picture: Tensor) -> Tensor:
        return rescale(picture)

    def _least_side_px(self) -> int:
        return int(SMALLEST_SIDE_PX / _RESCALE) + 1


class Dists(Metric):
    """DISTS (Ding et al. 2020) on VGG-16, lower is better."""

    name = "dists"
    packages = ("DISTS_pytorch",)

    def __init__(self, options: MetricOptions) -> None:
        """Load the network."""
        super().__init__(options)
        self._dists = _load_dists(options.device)

    @torch.inference_mode()
    def measure(self, original: Picture, decoded: Picture) -> float:
        """Return the distance, 0 for equal pictures."""
        original.need_side(SMALLEST_SIDE_PX)
        features = self._dists.forward_once
        kept = original.remember(self.name, lambda: features(original.tensor))
        # The package computes the features of both pictures at each call; here it gets cached features of the original.
        self._dists.forward_once = lambda x: kept if x is original.tensor else features(x)
        try:
            return float(self._dists(original.tensor, decoded.tensor))
        finally:
            self._dists.forward_once = features


def half_pixel_shift(picture: Tensor) -> Tensor:
    """Shift a picture by half a pixel down and right, bilinear: (B, C, H, W) to (B, C, H - 1, W - 1)."""
    return F.avg_pool2d(picture, 2, stride=1)


def rescale(picture: Tensor) -> Tensor:
    """Scale a picture to 0.9 of its sides, rounded down: bicubic, antialiased, within [0, 1]."""
    size = [int(side * _RESCALE) for side in picture.shape[-2:]]
    return F.interpolate(picture, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)


@cache
def _load_lpips(net: str, device: str) -> Lpips:
    return load_lpips(net).to(device)


@cache
def _load_dists(device: str) -> Any:
    """The package's network, in evaluation mode."""
    try:
        path = fetch_backbone("vgg", what="DISTS backbone")
    except WeightsMissing as error:
        raise MetricUnavailable(str(error)) from error
    with warnings.catch_warnings():
        # The package still asks torchvision for `pretrained=True`, which warns.
        warnings.simplefilter("ignore")
        from DISTS_pytorch import DISTS

        try:
            # With channels side by side its convolutions take a fifth less time.
            return DISTS().eval().to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        except (OSError, RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as error:
            reason = str(error).partition("\n")[0]
            raise MetricUnavailable(f"{path}: not usable for DISTS ({reason}); delete it and start again") from error
