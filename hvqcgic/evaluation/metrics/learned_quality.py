"""CLIPIQA and MANIQA through the package pyiqa, an optional extra because its licence is non-commercial."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import torch

from hvqcgic.evaluation.metrics.base import Metric, MetricOptions, MetricUnavailable, Picture

_LEAST_SIDE_PX = 224


class _PyIqaMetric(Metric):
    """A no-reference metric of pyiqa, higher is better."""

    def __init__(self, options: MetricOptions) -> None:
        """Load the network."""
        super().__init__(options)
        self._network = _load(self.name, options.device)

    @torch.inference_mode()
    def measure(self, original: Picture, decoded: Picture) -> float:
        """Quality of the decoded picture, without the original."""
        decoded.need_side(_LEAST_SIDE_PX)
        return float(self._network(decoded.tensor))


class ClipIqa(_PyIqaMetric):
    """CLIP-IQA (Wang et al. 2023), higher is better."""

    name = "clipiqa"


class Maniqa(_PyIqaMetric):
    """MANIQA (Yang et al. 2022), higher is better."""

    name = "maniqa"


@cache
def _load(name: str, device: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import pyiqa  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise MetricUnavailable(
                "needs pyiqa, whose licence is non-commercial: pip install 'hvqcgic[iqa]'"
            ) from error
        try:
            return pyiqa.create_metric(name, device=torch.device(device))
        except Exception as error:  # several packages download, and each raises its own exceptions
            reason = (str(error) or type(error).__name__).partition("\n")[0]
            raise MetricUnavailable(f"pyiqa has no weights for it and no download ({reason})") from error
