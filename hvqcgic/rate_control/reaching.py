"""Search for the integers of a file at an operating point: places on the ratio path are tried until a target is met."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from hvqcgic.coder import Analysed, Encoded, PictureCoder, Trial
from hvqcgic.entropy import Masks
from hvqcgic.errors import Unreachable
from hvqcgic.models import Ratios
from hvqcgic.rate_control.operating_point import OperatingPoint, QualityTarget, parse_target
from hvqcgic.rate_control.quality import Quality, mean_squared_error
from hvqcgic.rate_control.ratio_path import ratios
from hvqcgic.rate_control.rd_order import order_by_distortion
from hvqcgic.rate_control.refinement import Progress, refine
from hvqcgic.rate_control.region_weights import weights_of
from hvqcgic.rate_control.search import (
    SLACK_BYTES,
    PathSearch,
    Wanted,
    around,
    before_jump,
    best,
    size_of_bpp,
    size_within,
)
from hvqcgic.rate_control.size_forecast import SizeForecast

REFINEMENTS_FOR_QUALITY = 2
"""Number of refinements for a quality target. Refined features reach it at a coarser place with unrefined cells."""
MOST_TRIALS = 10
KnownSizes = dict[float, dict[float, float]]
"""Estimated bytes of a picture's files, by eta and place on the ratio path."""


@dataclass(frozen=True)
class Reached:
    """The picture at the place that meets a target.

    Attributes:
        encoded: the picture.
        place: on the ratio path; None for ratios.
        eta: see `OperatingPoint`.
        trials: number of tried places and values of eta.
        clamped: description of the unreachable target, if `clamp` allowed it; else "".
    """

    encoded: Encoded
    place: float | None
    eta: float
    trials: int
    clamped: str = ""


def reach(
    coder: PictureCoder,
    picture: Analysed,
    point: OperatingPoint,
    *,
    coding: str = "adaptive",
    progress: Progress | None = None,
    known: KnownSizes | None = None,
) -> Reached:
    """Find the integers of the file for an operating point.

    Args:
        coder: of the model.
        picture: analysed by the coder.
        point: target; or ratios, with the model's default if it names none.
        coding: mode whose bits are counted.
        progress: called with the steps of refinement.
        known: sizes of earlier searches, from which this one starts, and to which it adds; of the same picture, coding
            mode, path, regions and order of cells. None to start from nothing. Refined features do not use it.

    Raises:
        Unreachable: the target is out of this picture's range, or a region is outside of the picture.
        PictureError: a mask of regions cannot be read.
        ConfigError: the coding mode is unknown.
    """
    search = Search(coder, picture, point, coding, known=None if point.refine else known)
    if not point.refine:
        return search.find()
    # Refined features change size and quality, so the search is repeated with them.
    for _ in range(REFINEMENTS_FOR_QUALITY if point.target else 1):
        search.refine(search.find(last=False).encoded.masks, progress)
    return search.find()


class Search:
    """The search for one picture."""

    def __init__(
        self,
        coder: PictureCoder,
        picture: Analysed,
        point: OperatingPoint,
        coding: str,
        *,
        known: KnownSizes | None = None,
    ) -> None:
        self._known: KnownSizes = {} if known is None else known
        self._coder, self._picture, self._point, self._coding = coder, picture, point, coding
        self._weights = weights_of(point.roi, picture.width, picture.height)
        by_distortion = point.orders_by_distortion(has_proxy=coder.networks.proxy is not None)
        self._order = order_by_distortion(coder, picture, self._weights) if by_distortion else None
        self._pixels = picture.width * picture.height
        self._clamp = point.clamp
        self._trials = 0
        self._start: float | None = None
        self._ends: list[tuple[float, float]] = []
        self._forecast = SizeForecast(coder.config.codebook_size, picture.grid, point.path)

    def find(self, *, last: bool = True) -> Reached:
        """Find the integers for the operating point.

        Args:
            last: whether an unreachable quality is an error, unless the operating point has `clamp`.

        Raises:
            Unreachable: the last search cannot reach the target.
        """
        self._clamp = self._point.clamp or not last
        if self._point.target is not None:
            return self.for_quality(parse_target(self._point.target))
        if not self._point.seeks_size:
            encoded = self.encoded_at(self._point.shares or self._coder.config.default_ratios)
            return Reached(encoded, self._point.place, self._point.etas[0], self._trials)
        return self.for_size_at_least_error()

    def refine(self, masks: Masks, progress: Progress | None) -> None:
        """Replace the features by features refined for a granularity map."""
        options = {"generator": torch.Generator().manual_seed(0), "progress": progress}
        self._picture = refine(self._coder, self._picture, masks, steps=self._point.refine, **options)

    def masks_at(self, shares: Ratios) -> Masks:
        """Return the granularity map of some ratios."""
        if self._order is not None:
            return self._order.masks(shares)
        return self._coder.order_cells(self._picture, shares, self._weights)

    def encoded_at(self, shares: Ratios) -> Encoded:
        """Encode the picture at some ratios; bits are counted only if indices depend on them."""
        if self._point.etas[0]:
            return self.trial_at(shares).encoded
        self._trials += 1
        return self._coder.quantise(self._picture, self.masks_at(shares))

    def for_size_at_least_error(self) -> Reached:
        """Meet the size with each value of eta; return the picture with the least squared error."""
        found: list[Reached] = []
        refusals: list[Unreachable] = []
        for eta in self._point.etas:
            try:
                found.append(self.for_size(eta))
            except Unreachable as error:
                refusals.append(error)
        if not found:
            raise refusals[-1]
        reached = [each for each in found if not each.clamped]
        if len(reached) > 1:
            return self._least_error(reached)
        # A larger eta gives a smaller file, so the nearest size to an unreachable target is at one end of the values.
        return reached[0] if reached else found[-1 if found[-1].place == 0 else 0]

    def for_size(self, eta: float) -> Reached:
        """Find the place where the file has the wanted size."""
        wanted = self._wanted_size()
        tried: dict[float, Trial] = {}
        known = self._known.setdefault(eta, {})

        def measure(place: float) -> float:
            tried[place] = self.trial_at(ratios(place, self._point.path), eta)
            self._forecast.learn(tried[place])
            known[place] = tried[place].bytes
            return known[place]

        values = self._run(wanted, self._forecast.at, measure, around(known, wanted.aim))
        place = best(values, wanted)
        clamped = ""
        if self._has_room(wanted, values):
            # Just before the end of the path, files may be larger because of their maps, without a better picture.
            place = 1.0
        elif not wanted.holds(values[place]):
            clamped = self._check_reach(wanted, values, lambda end: known[end] if end in known else measure(end))
            place = best(values, wanted)
        if place not in tried:
            measure(place)
        self._start = place
        return Reached(tried[place].encoded, place, eta, self._trials, clamped)

    def for_quality(self, target: QualityTarget) -> Reached:
        """Find the first place with the wanted quality."""
        quality = target.kind(self._picture.pixels)
        sign = -1.0 if quality.lower_is_better else 1.0
        margin = quality.tolerance(target.value)
        aim = sign * target.value + margin / 2
        wanted = Wanted(aim, sign * target.value, sign * target.value + margin)
        tried: dict[float, Encoded] = {}

        def measure(place: float) -> float:
            tried[place] = self.encoded_at(ratios(place, self._point.path))
            return sign * quality.measure(np.asarray(self._coder.reconstruct(tried[place])))

        values = self._run(wanted, lambda t: sign * quality.typical(t), measure)
        good = {place: value for place, value in values.items() if value >= wanted.low}
        if good:
            place, clamped = min(good), ""
            if not wanted.holds(good[place]):
                place = before_jump(place, lambda earlier: measure(earlier) >= wanted.low)
        else:
            clamped = self._out_of_reach(target, quality, values)
            place = max(values, key=values.__getitem__)
        return Reached(tried[place], place, self._point.etas[0], self._trials, clamped)

    def _least_error(self, found: list[Reached]) -> Reached:
        errors = [
            mean_squared_error(self._picture.pixels, np.asarray(self._coder.reconstruct(each.encoded)))
            for each in found
        ]
        return found[int(np.argmin(errors))]

    def trial_at(self, shares: Ratios, eta: float | None = None) -> Trial:
        """Try the picture at some ratios; None for the operating point's first eta."""
        self._trials += 1
        worth = self._point.etas[0] if eta is None else eta
        return self._coder.try_out(self._picture, self.masks_at(shares), eta=worth, coding=self._coding)

    def _run(
        self,
        wanted: Wanted,
        forecast: Callable[[float], float],
        measure: Callable[[float], float],
        known: Mapping[float, float] | None = None,
    ) -> dict[float, float]:
        search = PathSearch(wanted, forecast, dict(known or {}))
        if any(map(wanted.holds, search.values.values())):
            return search.values
        place = search.propose() if self._start is None else self._start
        for _ in range(MOST_TRIALS):
            if place is None:
                break
            search.tell(place, measure(place))
            if wanted.holds(search.values[place]):
                break
            place = search.propose()
        return search.values

    def _wanted_size(self) -> Wanted:
        """Range of wanted sizes, in bytes."""
        if self._point.max_bytes is not None:
            return size_within(self._point.max_bytes)
        assert self._point.bpp is not None
        return size_of_bpp(self._point.bpp, self._pixels)

    def _has_room(self, wanted: Wanted, values: dict[float, float]) -> bool:
        """Whether the file stays below the limit with all cells fine."""
        return self._point.max_bytes is not None and values.get(1.0, np.inf) < wanted.low

    def _check_reach(self, wanted: Wanted, values: dict[float, float], measure: Callable[[float], float]) -> str:
        """Describe a size that no place has.

        Raises:
            Unreachable: it is out of range, and the operating point has no `clamp`.
        """
        too_small, too_large = values.get(0.0, 0.0) > wanted.high, values.get(1.0, np.inf) < wanted.low
        if not (too_small or too_large):
            return ""
        for end in {0.0, 1.0} - values.keys():
            values[end] = measure(end)
        self._ends.append((values[0.0], values[1.0]))
        message = self._size_range()
        if self._point.clamp and self._point.max_bytes is None:
            return message
        way = ", or clamp to the nearest" if self._point.max_bytes is None else ""
        raise Unreachable(f"{message}; ask for a size in between{way}")

    def _size_range(self) -> str:
        """Describe the range of sizes, over all tried values of eta."""
        low, high = min(low for low, _ in self._ends), max(high for _, high in self._ends)
        rates = f"{8 * low / self._pixels:.4f} to {8 * high / self._pixels:.4f} bpp"
        wanted = f"{self._point.max_bytes} bytes" if self._point.bpp is None else f"{self._point.bpp:g} bpp"
        return (
            f"{wanted} cannot be reached: with {self._coder.name} this picture takes "
            f"{int(np.ceil(low + SLACK_BYTES))} to {high:.0f} bytes, {rates}"
        )

    def _out_of_reach(self, target: QualityTarget, quality: Quality, values: dict[float, float]) -> str:
        best = abs(max(values.values()))
        message = (
            f"{quality.name} {target.value:g} cannot be reached: with {self._coder.name} this picture has "
            f"at best {best:.4g} (all cells fine)"
        )
        if self._clamp:
            return message
        raise Unreachable(f"{message}; ask for less, or clamp to the nearest")
