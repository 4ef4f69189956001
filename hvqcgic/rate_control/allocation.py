"""One budget for many pictures, allocated at equal slope of distortion over bytes (Shoham and Gersho 1988).

Every picture is tried at a few places of the ratio path, which gives its distortion as a function of bytes. Between the
places the logarithm of the distortion is interpolated linearly. For a slope lambda each picture takes the size that
minimises distortion plus lambda times bytes. Lambda is chosen so that the sizes sum to the budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hvqcgic.coder import PictureCoder
from hvqcgic.errors import Unreachable
from hvqcgic.pictures import PictureSource
from hvqcgic.rate_control.budget import check_budget
from hvqcgic.rate_control.operating_point import OperatingPoint
from hvqcgic.rate_control.quality import LpipsAlex, mean_squared_error
from hvqcgic.rate_control.ratio_path import ratios
from hvqcgic.rate_control.reaching import Search
from hvqcgic.rate_control.search import SLACK_BYTES

PLACES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Places of the ratio path where every picture is tried."""
_GRID = 2000
_HALVINGS = 80


@dataclass(frozen=True)
class Curve:
    """Distortion of one picture as a function of its size.

    Attributes:
        sizes: bytes, increasing, (n,).
        distortions: at those sizes, positive, summed over the picture's pixels, (n,).
    """

    sizes: NDArray[np.float64]
    distortions: NDArray[np.float64]

    def grid(self, most: float) -> Curve:
        """Interpolate many points between the smallest size and the largest, or `most`."""
        sizes = np.linspace(self.sizes[0], max(min(self.sizes[-1], most), self.sizes[0]), _GRID)
        return Curve(sizes, np.exp(np.interp(sizes, self.sizes, np.log(self.distortions))))


def allocate(
    pictures: Iterable[PictureSource],
    *,
    codec: PictureCoder,
    total_bytes: int,
    per_image_max: int | None = None,
    by: str = "mse",
    point: OperatingPoint | None = None,
    coding: str = "adaptive",
) -> list[int]:
    """Allocate bytes to each picture, for `Codec.compress(picture, max_bytes=...)`.

    Args:
        pictures: paths, Pillow images or arrays; read one after the other.
        codec: the codec of the pictures.
        total_bytes: largest size of all files together.
        per_image_max: largest size of each file; None for no limit.
        by: distortion to minimise in all, see `measure_curve`.
        point: regions, eta and granularity; None for the defaults.
        coding: mode whose bits are counted.

    Raises:
        Unreachable: the budget is smaller than the smallest possible files.
        ConfigError: a number or name is not allowed.
        PictureError: a picture cannot be read.
    """
    check_budget(total_bytes, per_image_max, by)
    curves = [measure_curve(codec, picture, by=by, point=point, coding=coding) for picture in pictures]
    return share_out(curves, total_bytes=total_bytes, per_image_max=per_image_max)


def measure_curve(
    coder: PictureCoder,
    image: PictureSource,
    *,
    by: str = "mse",
    point: OperatingPoint | None = None,
    coding: str = "adaptive",
) -> Curve:
    """Measure the distortion of a picture at several places of the ratio path.

    Args:
        coder: of the model.
        image: the picture.
        by: "mse" for the sum of squared errors, "lpips" for LPIPS (alex) times the number of pixels.
        point: regions, eta and granularity; its targets are ignored.
        coding: mode whose bits are counted.
    """
    picture = coder.analyse(image)
    sized = replace(point or OperatingPoint(), ratios=None, bpp=1.0, max_bytes=None, target=None, quality=None)
    search = Search(coder, picture, sized, coding)
    measure = LpipsAlex(picture.pixels).measure if by == "lpips" else None
    sizes, distortions = [], []
    for place in PLACES:
        trial = search.trial_at(ratios(place, sized.path))
        decoded = np.asarray(coder.reconstruct(trial.encoded))
        value = measure(decoded) if measure else mean_squared_error(picture.pixels, decoded)
        sizes.append(trial.bytes + SLACK_BYTES)
        distortions.append(max(value, 1e-9) * picture.width * picture.height)
    # Points with more bytes and no less distortion are dropped, because a rising curve has no valid slope.
    return Curve(np.maximum.accumulate(np.array(sizes)), np.minimum.accumulate(np.array(distortions)))


def share_out(curves: Sequence[Curve], *, total_bytes: int, per_image_max: int | None = None) -> list[int]:
    """Return sizes at equal slope, in the order of the curves.

    Raises:
        Unreachable: the smallest sizes sum to more than the budget, or one is above the maximum.
    """
    smallest = [int(np.ceil(curve.sizes[0])) for curve in curves]
    if sum(smallest) > total_bytes or (per_image_max is not None and max(smallest, default=0) > per_image_max):
        largest = sum(int(np.ceil(curve.sizes[-1])) for curve in curves)
        each = "" if per_image_max is None else f", the largest of the smallest {max(smallest)} bytes"
        raise Unreachable(
            f"a budget of {total_bytes} bytes cannot be met: these {len(curves)} pictures take {sum(smallest)} to "
            f"{largest} bytes{each}; give more"
        )
    most = np.inf if per_image_max is None else float(per_image_max)
    grids = [curve.grid(most) for curve in curves]
    low, high = 0.0, 1.0
    while sum(_size_at(grid, high) for grid in grids) > total_bytes:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        slope = (low + high) / 2
        fits = sum(_size_at(grid, slope) for grid in grids) <= total_bytes
        low, high = (low, slope) if fits else (slope, high)
    sizes = [_size_at(grid, high) for grid in grids]
    # Where a curve is not convex, a size jumps at the final slope; the bytes that the jump leaves over are spent, too.
    for place, grid in enumerate(grids):
        sizes[place] += min(_size_at(grid, low) - sizes[place], total_bytes - sum(sizes))
    return [int(size) for size in sizes]


def _size_at(grid: Curve, slope: float) -> float:
    """Size with the least distortion plus slope times bytes; the largest size if no distortion can be saved."""
    return float(np.ceil(grid.sizes[int(np.argmin(grid.distortions + slope * grid.sizes))]))
