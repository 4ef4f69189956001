"""What every metric of one picture looks like."""

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
"""Features of larger pictures are not kept: those of VGG take some 500 bytes a pixel."""


class MetricUnavailable(ConfigError):
    """A metric's package or weights are not to be had on this machine, so that its column is absent."""


def need_packages(*modules: str) -> None:
    """Do without a metric where a package is missing.

    Raises:
        MetricUnavailable: one is not installed.
    """
    try:
        check_installed("it", *modules, extra="evaluate")
    except MissingPackage as error:
        raise MetricUnavailable(str(error)) from error


class NotMeasurable(ConfigError):
    """A metric says nothing of this picture; it is too small, for example."""


@dataclass(frozen=True)
class MetricOptions:
    """What metrics may be told: where networks run, and a file of NIQE parameters in place of the bundled ones."""

    device: str = "cpu"
    niqe_parameters: Path | None = None


@dataclass(eq=False)
class Picture:
    """A picture to be measured, with what metrics have made of it.

    Attributes:
        pixels: (H, W, 3) uint8, sRGB.
        device: where `tensor` lies.
        keeps: whether `remember` keeps anything: worth it for an original, which is compared many times.
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
        """What `make` gives, made once where this picture keeps things and is not too large for it."""
        if not self.keeps or self.tensor.shape[-1] * self.tensor.shape[-2] > _KEEP_UP_TO_PX:
            return make()
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def need_side(self, least_px: int) -> None:
        """Refuse a picture with a shorter side.

        Raises:
            NotMeasurable: a side is shorter.
        """
        if min(self.tensor.shape[-2:]) < least_px:
            raise NotMeasurable(f"needs sides of at least {least_px} px")


class Metric(ABC):
    """A metric, ready to measure.

    Attributes:
        name: of its column.
        packages: that it is computed with, as they are imported.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: MetricOptions) -> None:
        """Load what it needs.

        Raises:
            MetricUnavailable: a package or weights are not to be had.
        """
        need_packages(*self.packages)
        self.options = options

    @property
    def version(self) -> str:
        """Changes where values would; kept rows are measured again then."""
        return "1"

    @abstractmethod
    def measure(self, original: Picture, decoded: Picture) -> float:
        """The value for a decoded picture.

        Raises:
            NotMeasurable: there is none for this picture.
        """
