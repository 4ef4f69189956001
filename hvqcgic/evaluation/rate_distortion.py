"""Bjontegaard differences between rate-distortion curves with the package `bjontegaard`, and notes on their validity.

A curve is a codec's rate (bpp, or any unit proportional to bits) and quality at its operating points, in any order.
The direction of the metric is read from the curve: the better quality is the one at the higher rate. PSNR and LPIPS
therefore use the same functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hvqcgic.errors import ConfigError

METHODS = {"akima": 3, "pchip": 3, "cubic": 4}
"""Interpolations of the package, and the least number of points that each needs for more than straight lines."""

SMALL_OVERLAP = 0.75
"""Common share of both curves' range below which a difference is unreliable; the package warns there, too."""

LOWER_IS_BETTER = ("lpips", "dists", "fid", "kid", "niqe", "colour_de")
"""Prefixes of the names of metrics for which lower is better."""

Array = NDArray[np.float64]


class CurveError(ConfigError):
    """Curves cannot be compared: too few points, no common range, or invalid numbers."""


@dataclass(frozen=True)
class Difference:
    """Difference between a test curve and its anchor.

    Attributes:
        value: per cent of rate, below 0 the test curve needs fewer bits.
        low: lower end of the range of quality over which the curves were averaged.
        high: upper end of that range.
        share: of the range that both curves span together, 0 to 1.
        notes: what a reader must know, a sentence each.
        interval: of the bootstrap over pictures, (low, high), or None.
    """

    value: float
    low: float
    high: float
    share: float
    notes: tuple[str, ...] = ()
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class PictureCurves:
    """A codec's points on each picture; the codec's curve is the mean over pictures.

    Attributes:
        rate: (pictures, points), above 0.
        quality: (pictures, points).
    """

    rate: Array
    quality: Array


def lower_is_better(metric: str) -> bool:
    """Whether a lower value of a metric, such as "lpips_alex" or "psnr_db", is a better picture."""
    return metric.startswith(LOWER_IS_BETTER)


def compare_rate(
    rate_anchor: ArrayLike,
    quality_anchor: ArrayLike,
    rate_test: ArrayLike,
    quality_test: ArrayLike,
    method: str = "akima",
) -> Difference:
    """Mean difference in rate at equal quality, in per cent, with the quality range it holds for, and notes.

    Args:
        rate_anchor: bpp at each point of the anchor, above 0.
        quality_anchor: quality at each point of the anchor; higher or lower is better.
        rate_test: bpp at each point of the test curve; the number of points may differ.
        quality_test: quality at each point of the test curve.
        method: akima, pchip or cubic.
    Raises:
        CurveError: a method that there is not, too few points, curves without a common range of quality, curves of
            which one rises and one falls, or numbers that are not finite, or not above 0 in a rate.
    """
    import bjontegaard

    anchor, test, notes = _checked(rate_anchor, quality_anchor, rate_test, quality_test, method)
    low, high, share = _overlap(anchor[1], test[1])
    value = bjontegaard.bd_rate(*anchor, *test, method=method, require_matching_points=False, min_overlap=0)
    assert isinstance(value, float)
    return Difference(float(value), low, high, share, (*notes, *_small(share)))


def bootstrap_rate(
    anchor: PictureCurves,
    test: PictureCurves,
    *,
    generator: np.random.Generator,
    draws: int = 200,
    confidence: float = 0.95,
    method: str = "akima",
) -> Difference:
    """Compute `compare_rate` of the mean curves, with a percentile bootstrap interval over pictures.

    Each draw takes pictures with replacement, the same ones for both codecs, and gives one BD-rate of the mean curves.

    Args:
        anchor: of P pictures.
        test: of the same pictures in the same order.
        generator: random generator of the draws.
        draws: number of draws.
        confidence: share of draws within the interval, 0 to 1.
        method: as of `compare_rate`.
    Raises:
        CurveError: as in `compare_rate`, or the codecs have different numbers of pictures.
    """
    pictures = len(anchor.rate)
    if pictures != len(test.rate):
        raise CurveError(f"a bootstrap needs the same pictures of both codecs, got {pictures} and {len(test.rate)}")
    found = _compare_means(anchor, test, np.arange(pictures), method)
    values: list[float] = []
    for drawn in generator.integers(pictures, size=(draws, pictures)):
        try:
            values.append(_compare_means(anchor, test, drawn, method).value)
        except CurveError:
            continue
    notes = found.notes
    if len(values) < draws:
        notes = (*notes, f"{draws - len(values)} of {draws} bootstrap draws had curves that cannot be compared")
    if pictures < 2 or len(values) < 0.9 * draws:
        return Difference(found.value, found.low, found.high, found.share, notes)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(values, [tail, 100 - tail])
    return Difference(found.value, found.low, found.high, found.share, notes, (float(low), float(high)))


def _compare_means(anchor: PictureCurves, test: PictureCurves, chosen: NDArray[np.int64], method: str) -> Difference:
    means = [values[chosen].mean(0) for curves in (anchor, test) for values in (curves.rate, curves.quality)]
    return compare_rate(*means, method=method)


def _checked(
    rate_anchor: ArrayLike, quality_anchor: ArrayLike, rate_test: ArrayLike, quality_test: ArrayLike, method: str
) -> tuple[tuple[Array, Array], tuple[Array, Array], tuple[str, ...]]:
    """Return both curves by rising quality number, without dominated points, and notes on these points."""
    if method not in METHODS:
        raise CurveError(f"interpolation {method!r} is unknown; use one of {', '.join(METHODS)}")
    curves, notes, rising = [], [], []
    for name, rate, quality in (("anchor", rate_anchor, quality_anchor), ("test", rate_test, quality_test)):
        r, q = _numbers(name, rate, quality)
        rising.append(_rises(name, r, q))
        front = _front(r, q if rising[-1] else -q)
        if left_out := len(r) - len(front):
            notes.append(f"{name} curve is not monotone: {left_out} of {len(r)} points that another beats are left out")
        if len(front) < METHODS[method]:
            raise CurveError(f"the {name} curve has {len(front)} usable points, {method} needs {METHODS[method]}")
        order = np.argsort(q[front])
        curves.append((r[front][order], q[front][order]))
    if rising[0] != rising[1]:
        raise CurveError("quality rises with rate in one curve and falls in the other; compare the same metric of both")
    return curves[0], curves[1], tuple(notes)


def _numbers(name: str, rate: ArrayLike, quality: ArrayLike) -> tuple[Array, Array]:
    r, q = np.asarray(rate, np.float64), np.asarray(quality, np.float64)
    if r.ndim != 1 or r.shape != q.shape:
        raise CurveError(f"the {name} curve has rates of shape {r.shape} and qualities of {q.shape}; give a list each")
    wrong = [f"({a:g}, {b:g})" for a, b in zip(r, q, strict=True) if not (np.isfinite([a, b]).all() and a > 0)]
    if wrong:
        raise CurveError(f"the {name} curve has the point {wrong[0]}; rates must be above 0, qualities finite")
    if len(r) < 2:
        raise CurveError(f"the {name} curve has {len(r)} points; a curve needs at least {min(METHODS.values())}")
    return r, q


def _rises(name: str, rate: Array, quality: Array) -> bool:
    """Whether quality rises with rate, over all points (least squares)."""
    x = np.log(rate)
    slope = float(((x - x.mean()) * (quality - quality.mean())).sum())
    if slope == 0:
        raise CurveError(f"the {name} curve neither rises nor falls with its rate; it has no BD difference")
    return slope > 0


def _front(rate: Array, goodness: Array) -> NDArray[np.int64]:
    """Positions of the points that are better than every point of no higher rate, by rising rate."""
    order = np.lexsort((-goodness, rate))
    best = np.concatenate([[-np.inf], np.maximum.accumulate(goodness[order])[:-1]])
    return order[goodness[order] > best]


def _overlap(anchor: Array, test: Array) -> tuple[float, float, float]:
    """Common range of two sets of qualities, and its share of the range of both together."""
    low, high = max(anchor.min(), test.min()), min(anchor.max(), test.max())
    if low >= high:
        raise CurveError(
            f"the curves have no common qualities: anchor {anchor.min():.4g} to {anchor.max():.4g}, "
            f"test {test.min():.4g} to {test.max():.4g}; measure points in between"
        )
    whole = max(anchor.max(), test.max()) - min(anchor.min(), test.min())
    return float(low), float(high), float((high - low) / whole)


def _small(share: float) -> Sequence[str]:
    return () if share >= SMALL_OVERLAP else (f"the curves share {100 * share:.0f} % of their range",)
