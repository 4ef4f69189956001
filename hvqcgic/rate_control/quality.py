"""Qualities that an encoder can be asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hvqcgic.errors import Unreachable
from hvqcgic.perceptual import SMALLEST_SIDE_PX, load_lpips

Pixels = NDArray[np.uint8]


class Quality(ABC):
    """A quality of decoded pictures against one original; it tends to grow along a ratio path.

    Attributes:
        name: in targets.
        low: the least value that may be asked for.
        high: the largest.
        lower_is_better: of two values.
        needs_lpips: whether it is computed with the packages of LPIPS.
    """

    name: ClassVar[str]
    low: ClassVar[float]
    high: ClassVar[float]
    lower_is_better: ClassVar[bool]
    needs_lpips: ClassVar[bool] = False

    def __init__(self, original: Pixels) -> None:
        """Args: original: (H, W, 3)."""
        self.original = original

    @abstractmethod
    def measure(self, decoded: Pixels) -> float:
        """Its value of a decoded picture, (H, W, 3)."""

    @classmethod
    @abstractmethod
    def typical(cls, t: float) -> float:
        """A rough value at a place of the ratio path."""

    @classmethod
    @abstractmethod
    def tolerance(cls, value: float) -> float:
        """How much better than a wanted value will do."""


class Psnr(Quality):
    """Peak signal-to-noise ratio of all channels together, in dB."""

    name, low, high, lower_is_better = "psnr", 1.0, 100.0, False

    def measure(self, decoded: Pixels) -> float:
        """See the class; at most 100."""
        return psnr_db(self.original, decoded)

    @classmethod
    def typical(cls, t: float) -> float:
        """Of photographs at 512 x 512 px."""
        return 20.5 + 6.5 * t

    @classmethod
    def tolerance(cls, value: float) -> float:
        """A twentieth of a dB."""
        return 0.05


class LpipsAlex(Quality):
    """LPIPS v0.1 on AlexNet, lower is better."""

    name, low, high, lower_is_better = "lpips", 0.0001, 1.0, True
    needs_lpips = True

    def __init__(self, original: Pixels) -> None:
        """See `Quality`.

        Raises:
            WeightsMissing: the network's weights are not there and cannot be downloaded.
            Unreachable: the picture is too small for it.
        """
        super().__init__(original)
        height, width = original.shape[:2]
        if min(height, width) < SMALLEST_SIDE_PX:
            raise Unreachable(
                f"target lpips of a {width} x {height} px picture: LPIPS needs at least {SMALLEST_SIDE_PX} px a side; "
                "give psnr, bpp or max_bytes"
            )
        self._network = load_lpips("alex")
        with torch.inference_mode():
            self._features = self._network.features(_tensor(original))

    @torch.inference_mode()
    def measure(self, decoded: Pixels) -> float:
        """See the class."""
        return float(self._network.distance(self._network.features(_tensor(decoded)), self._features))

    @classmethod
    def typical(cls, t: float) -> float:
        """Of photographs at 512 x 512 px."""
        return 0.33 * float(np.exp(-1.8 * t))

    @classmethod
    def tolerance(cls, value: float) -> float:
        """Two per cent."""
        return 0.02 * value


QUALITIES: dict[str, type[Quality]] = {kind.name: kind for kind in (LpipsAlex, Psnr)}
"""By name in targets."""


def psnr_db(original: Pixels, decoded: Pixels) -> float:
    """Peak signal-to-noise ratio of pictures of one shape, all channels together; at most 100."""
    return float(min(100.0, 10 * np.log10(255**2 / max(mean_squared_error(original, decoded), 1e-9))))


def mean_squared_error(original: Pixels, decoded: Pixels) -> float:
    """Of pictures of one shape, on the scale of 0 to 255."""
    return float(np.square(original.astype(np.float32) - decoded).mean(dtype=np.float64))


def _tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255
