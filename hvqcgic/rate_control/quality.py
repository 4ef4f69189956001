"""Quality measures that can be targets of an encoder.

NumPy and torch are imported by what measures: names and ranges of targets are checked without them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from hvqcgic.errors import Unreachable
from hvqcgic.perceptual import SMALLEST_SIDE_PX

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Pixels = NDArray[np.uint8]


class Quality(ABC):
    """A quality of decoded pictures against one original; it tends to improve along a ratio path.

    Attributes:
        name: in targets.
        low: the least allowed target.
        high: the largest allowed target.
        lower_is_better: whether a lower value is a better picture.
        needs_lpips: whether the quality is measured with LPIPS.
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
        """Return the quality of a decoded picture, (H, W, 3)."""

    @classmethod
    @abstractmethod
    def typical(cls, t: float) -> float:
        """Rough value at a place of the ratio path."""

    @classmethod
    @abstractmethod
    def tolerance(cls, value: float) -> float:
        """Largest accepted excess of quality over a target."""


class Psnr(Quality):
    """Peak signal-to-noise ratio of all channels together, in dB."""

    name, low, high, lower_is_better = "psnr", 1.0, 100.0, False

    def measure(self, decoded: Pixels) -> float:
        """Return the PSNR in dB, at most 100."""
        return psnr_db(self.original, decoded)

    @classmethod
    def typical(cls, t: float) -> float:
        """Rough value for photographs of 512 x 512 px."""
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
            WeightsMissing: the network's weights are missing and cannot be downloaded.
            Unreachable: the picture is too small for LPIPS.
        """
        super().__init__(original)
        height, width = original.shape[:2]
        if min(height, width) < SMALLEST_SIDE_PX:
            raise Unreachable(
                f"target lpips of a {width} x {height} px picture: LPIPS needs at least {SMALLEST_SIDE_PX} px a side; "
                "give psnr, bpp or max_bytes"
            )
        from hvqcgic.perceptual import load_lpips

        self._network = load_lpips("alex")
        self._features = self._features_of(original)

    def measure(self, decoded: Pixels) -> float:
        """Return LPIPS."""
        import torch

        with torch.inference_mode():
            return float(self._network.distance(self._features_of(decoded), self._features))

    def _features_of(self, pixels: Pixels) -> list[Tensor]:
        import numpy as np
        import torch

        with torch.inference_mode():
            batch = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255
            return self._network.features(batch)

    @classmethod
    def typical(cls, t: float) -> float:
        """Rough value for photographs of 512 x 512 px."""
        return 0.33 * math.exp(-1.8 * t)

    @classmethod
    def tolerance(cls, value: float) -> float:
        """Two per cent of the target."""
        return 0.02 * value


QUALITIES: dict[str, type[Quality]] = {kind.name: kind for kind in (LpipsAlex, Psnr)}
"""Quality classes by their names in targets."""


def psnr_db(original: Pixels, decoded: Pixels) -> float:
    """Peak signal-to-noise ratio of pictures of one shape, all channels together; at most 100."""
    import numpy as np

    return float(min(100.0, 10 * np.log10(255**2 / max(mean_squared_error(original, decoded), 1e-9))))


def mean_squared_error(original: Pixels, decoded: Pixels) -> float:
    """Mean squared error of pictures of one shape, on the scale of 0 to 255."""
    import numpy as np

    return float(np.square(original.astype(np.float32) - decoded).mean(dtype=np.float64))
