"""Interface of every metric of one picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.errors import ConfigError, MissingPackage
from hvqcgic.extras import check_installed

_KEEP_UP_TO_PX = 2**20
"""Features of larger pictures are not cached: those of VGG take about 500 bytes a pixel."""


class MetricUnavailable(ConfigError):
    """A metric's package or weights are not available on this machine, so its column is missing."""


def need_packages(*modules: str) -> None:
    """Check that the packages of a metric are installed.

    Raises:
        MetricUnavailable: a package is not installed.
    """
    try:
        check_installed("the metric", *modules, extra="evaluate")
    except MissingPackage as error:
        raise MetricUnavailable(str(error)) from error


class NotMeasurable(ConfigError):
    """A metric has no value for this picture, for example because the picture is too small."""


@dataclass(frozen=True)
class MetricOptions:
    """Options of metrics: the device of the networks, and a file of NIQE parameters in place of the bundled ones."""

    device: str = "cpu"
    niqe_parameters: Path | None = None


@dataclass(eq=False)
class Picture:
    """A picture to measure, with cached results of metrics.

    Attributes:
        pixels: (H, W, 3) uint8, sRGB.
        device: device of `tensor`.
        keeps: whether `remember` caches; useful for an original, which is compared many times.
    """

    pixels: NDArray[np.uint8]
    device: str = "cpu"
    keeps: bool = False
    _kept: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def tensor(self) -> Tensor:
        """(1, 3, H, W) float32 in [0, 1]."""
        values = torch.from_numpy(np.array(self.pixels)).permute(2, 0, 1)[None]
        return values.to(self.device).float() / 255

    def remember(self, key: str, make: Callable[[], Any]) -> Any:
        """Return the result of `make`; cache it if this picture caches and is not too large."""
        if not self.keeps or self.tensor.shape[-1] * self.tensor.shape[-2] > _KEEP_UP_TO_PX:
            return make()
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def need_side(self, least_px: int) -> None:
        """Check the length of the sides.

        Raises:
            NotMeasurable: a side is shorter than least_px.
        """
        if min(self.tensor.shape[-2:]) < least_px:
            raise NotMeasurable(f"needs sides of at least {least_px} px")


class Metric(ABC):
    """A metric, ready to measure.

    Attributes:
        name: of its column.
        packages: modules of the packages that it needs beside torch and numpy.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: MetricOptions) -> None:
        """Load networks and parameters.

        Raises:
            MetricUnavailable: a package or weights are not available.
        """
        need_packages(*self.packages)
        self.options = options

    @property
    def version(self) -> str:
        """Version string that changes when values change; stored rows of another version are measured again."""
        return "1"

    @abstractmethod
    def measure(self, original: Picture, decoded: Picture) -> float:
        """Return the value for a decoded picture.

        Raises:
            NotMeasurable: the metric has no value for this picture.
        """
