"""The metrics of pictures. A new one is a class derived from `Metric`, in a file of this folder."""

from __future__ import annotations

from contextlib import suppress

from hvqcgic.evaluation.metrics.base import Metric, MetricOptions, MetricUnavailable, NotMeasurable, Picture
from hvqcgic.evaluation.metrics.colour import ColourMean, ColourWorst
from hvqcgic.evaluation.metrics.learned_quality import ClipIqa, Maniqa
from hvqcgic.evaluation.metrics.niqe import Niqe
from hvqcgic.evaluation.metrics.perceptual import (
    Dists,
    LpipsAlex,
    LpipsAlexRescale,
    LpipsAlexShift,
    LpipsSqueeze,
    LpipsVgg,
)
from hvqcgic.evaluation.metrics.pixels import MsSsim, Psnr
from hvqcgic.perceptual import import_torchvision

# torchmetrics, lpips and others import torchvision in different ways, so torchvision is made importable first.
with suppress(ImportError):
    import_torchvision()

__all__ = ["METRICS", "Metric", "MetricOptions", "MetricUnavailable", "NotMeasurable", "Picture"]

METRICS: dict[str, type[Metric]] = {
    kind.name: kind
    for kind in (
        *(Psnr, MsSsim, LpipsAlex, LpipsSqueeze, LpipsVgg, LpipsAlexShift, LpipsAlexRescale, Dists, Niqe),
        *(ColourMean, ColourWorst),
        *(ClipIqa, Maniqa),
    )
}
"""Metric classes by name, in the order of the columns."""
