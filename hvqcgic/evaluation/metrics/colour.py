"""Errors of local colour in even areas, where a person sees them first and PSNR and LPIPS hardly do."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from hvqcgic.evaluation.metrics.base import Metric, Picture

BLUR_PX = 4.0
"""Standard deviation of the blur after which colours are compared: texture does not count, blotches do."""
CELL_PX = 16
EVEN_SHARE = 0.25
"""Share of a picture's cells that are compared: those of the least variation in the original."""


class ColourMean(Metric):
    """Mean colour difference of the even quarter of a picture, CIEDE2000, lower is better.

    Both pictures are blurred by 4 px in linear light. Compared are the pixels of the quarter of the cells of 16 px
    with the least variation in the original. About 1 is just visible side by side. Source: Sharma, Wu and Dalal 2005.
    """

    name = "colour_de"
    packages = ("skimage",)

    def measure(self, original: Picture, decoded: Picture) -> float:
        """Return the mean difference; a picture needs a side of at least 16 px."""
        return float(differences(original, decoded).mean())


class ColourWorst(Metric):
    """95th percentile over the same pixels as `ColourMean`, CIEDE2000, lower is better."""

    name = "colour_de_95"
    packages = ("skimage",)

    def measure(self, original: Picture, decoded: Picture) -> float:
        """Return the percentile; a picture needs a side of at least 16 px."""
        return float(np.percentile(differences(original, decoded), 95))


def differences(original: Picture, decoded: Picture) -> NDArray[np.float64]:
    """CIEDE2000 of every pixel in even cells of the original, (N,).

    Raises:
        NotMeasurable: a side is shorter than a cell.
    """
    from skimage.color import deltaE_ciede2000

    original.need_side(CELL_PX)
    even = original.remember("even", lambda: even_pixels(original.tensor))
    before = original.remember("even colours", lambda: _colours(original.tensor, even))
    return np.asarray(deltaE_ciede2000(before, _colours(decoded.tensor, even)))


def even_pixels(picture: torch.Tensor) -> torch.Tensor:
    """Pixels of the even cells of a picture (1, 3, H, W): bool, (H, W), False beyond the last whole cell.

    A cell's variation is the largest standard deviation of its three channels; ties count in raster order.
    """
    cells = picture[0].unfold(1, CELL_PX, CELL_PX).unfold(2, CELL_PX, CELL_PX)
    variation = cells.std((-1, -2), correction=0).amax(0)
    count = max(1, round(EVEN_SHARE * variation.numel()))
    even = torch.zeros(variation.numel(), dtype=torch.bool, device=picture.device)
    even[torch.argsort(variation.flatten(), stable=True)[:count]] = True
    blocks = even.view(variation.shape).repeat_interleave(CELL_PX, 0).repeat_interleave(CELL_PX, 1)
    height, width = picture.shape[-2:]
    return F.pad(blocks, (0, width - blocks.shape[1], 0, height - blocks.shape[0]))


def _colours(picture: torch.Tensor, even: torch.Tensor) -> NDArray[np.float64]:
    """L*a*b* of the chosen pixels of a blurred picture (1, 3, H, W), (N, 3)."""
    from skimage.color import xyz2lab

    linear = torch.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4)
    chosen = _blurred(linear)[0][:, even].T.double().cpu().numpy()
    return xyz2lab(chosen @ _XYZ_FROM_RGB.T)


def _blurred(picture: torch.Tensor) -> torch.Tensor:
    """A Gaussian blur of BLUR_PX; at borders the pixels inside count alone."""
    reach = round(3 * BLUR_PX)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=picture.device) / BLUR_PX) ** 2)

    def along(x: torch.Tensor, dim: int) -> torch.Tensor:
        shape = [1, 1, 1, 1]
        shape[dim] = len(taps)
        kernel = taps.view(shape).expand(x.shape[1], 1, -1, -1)
        pad = (reach, reach, 0, 0) if dim == 3 else (0, 0, reach, reach)
        return F.conv2d(F.pad(x, pad), kernel, groups=x.shape[1])

    both = torch.cat([picture, torch.ones_like(picture[:, :1])], 1)
    sums = along(along(both, 3), 2)
    return sums[:, :3] / sums[:, 3:]


_XYZ_FROM_RGB = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
"""Linear sRGB to CIE XYZ under D65 (ITU-R BT.709), as scikit-image has it."""
