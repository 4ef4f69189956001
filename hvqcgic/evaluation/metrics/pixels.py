"""PSNR and MS-SSIM."""

from __future__ import annotations

import math

from hvqcgic.evaluation.metrics.base import Metric, NotMeasurable, Picture

_MS_SSIM_SIDE_PX = 161
"""Least side for MS-SSIM: after four halvings the window of 11 px must fit."""


class Psnr(Metric):
    """Peak signal-to-noise ratio over all RGB samples, in decibels, higher is better."""

    name = "psnr_db"
    packages = ("torchmetrics",)

    def measure(self, original: Picture, decoded: Picture) -> float:
        """Return decibels; equal pictures are not measurable, because the value is infinite."""
        from torchmetrics.functional.image import peak_signal_noise_ratio

        value = float(peak_signal_noise_ratio(decoded.tensor, original.tensor, data_range=1.0))
        if not math.isfinite(value):
            raise NotMeasurable("infinite, the pictures are equal")
        return value


class MsSsim(Metric):
    """Multi-scale structural similarity (Wang et al. 2003), RGB, at most 1, higher is better."""

    name = "ms_ssim"
    packages = ("pytorch_msssim",)

    def measure(self, original: Picture, decoded: Picture) -> float:
        """Return the similarity, at most 1."""
        from pytorch_msssim import ms_ssim

        original.need_side(_MS_SSIM_SIDE_PX)
        return float(ms_ssim(decoded.tensor, original.tensor, data_range=1.0))
