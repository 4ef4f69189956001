"""One budget for many pictures: the best sizes there are, never too large, and little left over."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hvqcgic.codec.codec import Codec
from hvqcgic.errors import ConfigError, Unreachable
from hvqcgic.rate_control import OperatingPoint, allocate
from hvqcgic.rate_control.allocation import Curve, measure_curve, share_out
from hvqcgic.rate_control.budget import check_budget
from hvqcgic.rate_control.ratio_path import ratios
from tests.random_model import random_picture


def curve(sizes: list[float], distortions: list[float]) -> Curve:
    return Curve(np.array(sizes, float), np.array(distortions, float))


STEEP = curve([40, 60, 90, 120], [9000, 2500, 900, 500])
FLAT = curve([50, 80, 110, 130], [700, 600, 530, 500])
SMALL = curve([20, 35, 50, 70], [4000, 1000, 300, 120])
CURVES = [STEEP, FLAT, SMALL]


def distortion(of: Curve, size: float) -> float:
    """Between the measured sizes its logarithm is linear."""
    return float(np.exp(np.interp(size, of.sizes, np.log(of.distortions))))


def total(sizes: list[int], curves: list[Curve]) -> float:
    return sum(distortion(of, size) for of, size in zip(curves, sizes, strict=True))


@pytest.mark.parametrize("budget", [125, 150, 190, 240, 290])
def test_no_other_sizes_are_better(budget: int) -> None:
    found = share_out(CURVES, total_bytes=budget)
    assert sum(found) <= budget
    a, b, c = (np.arange(int(each.sizes[0]), int(each.sizes[-1]) + 1) for each in CURVES)
    left = budget - a[:, None] - b[None]
    last = np.minimum(left, c[-1])
    table = [np.array([distortion(each, size) for size in range(131)]) for each in CURVES]
    sums = np.where(last >= c[0], table[0][a][:, None] + table[1][b][None] + table[2][np.clip(last, 0, 130)], np.inf)
    assert total(found, CURVES) <= 1.02 * float(sums.min())


def test_at_the_sizes_all_slopes_are_equal() -> None:
    found = share_out([STEEP, SMALL], total_bytes=110)
    gains = [distortion(of, size) - distortion(of, size + 1) for of, size in zip([STEEP, SMALL], found, strict=True)]
    losses = [distortion(of, size - 1) - distortion(of, size) for of, size in zip([STEEP, SMALL], found, strict=True)]
    # A byte given to one brings less than it costs the other.
    assert max(gains) <= 1.1 * min(losses)


def measured() -> st.SearchStrategy[Curve]:
    def build(start: float, steps: list[float], factors: list[float]) -> Curve:
        return curve(list(start + np.cumsum([0.0, *steps])), list(1e6 * np.cumprod([1.0, *factors])))

    steps = st.lists(st.floats(0, 3000), min_size=4, max_size=4)
    return st.builds(build, st.floats(30, 500), steps, st.lists(st.floats(1e-6, 1), min_size=4, max_size=4))


@settings(max_examples=40)
@given(st.lists(measured(), min_size=1, max_size=5), st.floats(0, 1.2), st.booleans())
def test_budgets_are_kept_and_used(curves: list[Curve], share: float, limited: bool) -> None:
    low = [int(np.ceil(each.sizes[0])) for each in curves]
    high = [int(np.ceil(each.sizes[-1])) for each in curves]
    budget = int(sum(low) + share * (sum(high) - sum(low)))
    each_most = max(low) + 200 if limited else None
    found = share_out(curves, total_bytes=budget, per_image_max=each_most)
    assert sum(found) <= budget
    most = high if each_most is None else [min(size, each_most) for size in high]
    assert all(a <= size <= b for a, size, b in zip(low, found, most, strict=True))
    # All is spent, unless more bytes would bring nothing.
    grids = [each.grid(np.inf if each_most is None else each_most) for each in curves]
    worth = [grid.sizes[int(np.argmax(grid.distortions <= grid.distortions[-1] * (1 + 1e-9)))] for grid in grids]
    assert sum(found) >= min(budget, sum(worth)) - 3 * len(curves)


def test_one_picture_takes_it_all_and_none_takes_nothing() -> None:
    assert share_out([STEEP], total_bytes=100) == [100]
    assert share_out([STEEP], total_bytes=1000) == [120]
    assert share_out([STEEP], total_bytes=1000, per_image_max=77) == [77]
    assert share_out([STEEP, STEEP], total_bytes=80) == [40, 40]
    assert share_out([], total_bytes=10) == []


@pytest.mark.parametrize(
    ("budget", "most", "words"),
    [
        (109, None, r"a budget of 109 bytes cannot be met: these 3 pictures take 110 to 320 bytes; give more"),
        (500, 49, r"these 3 pictures take 110 to 320 bytes, the largest of the smallest 50 bytes; give more"),
    ],
)
def test_less_than_the_smallest_files_is_refused(budget: int, most: int | None, words: str) -> None:
    with pytest.raises(Unreachable, match=words):
        share_out(CURVES, total_bytes=budget, per_image_max=most)


@pytest.mark.parametrize(
    ("budget", "most", "by", "words"),
    [
        (0, None, "mse", "budget of 0 bytes is no size; give at least 1"),
        (-3, None, "mse", "budget of -3 bytes"),
        (10, 0, "mse", "per-image maximum of 0 bytes is no size"),
        (10, None, "taste", "distortion 'taste' is unknown; use mse or lpips"),
    ],
)
def test_what_is_no_budget_is_one_line(codec: Codec, budget: int, most: int | None, by: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_budget(budget, most, by)
    with pytest.raises(ConfigError, match=words):
        allocate([], codec=codec, total_bytes=budget, per_image_max=most, by=by)


@pytest.mark.parametrize("point", [OperatingPoint(), OperatingPoint(eta=0.0, granularity="rd")])
def test_the_files_fit_their_shares_and_the_budget(tiny: Codec, cat: NDArray[np.uint8], point: OperatingPoint) -> None:
    pictures = [cat[:64, :64], cat[64:, 80:], np.full((32, 48, 3), 90, np.uint8)]
    eta = 0.1 if point.eta is None else point.eta
    low, high = (
        sum(len(tiny.compress(each, ratios=shares, eta=eta)) for each in pictures)
        for shares in ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    )
    for budget in (low + 30, (low + high) // 2):
        shares = allocate(pictures, codec=tiny, total_bytes=budget, point=point)
        assert 0.97 * budget <= sum(shares) <= budget
        for pixels, share in zip(pictures, shares, strict=True):
            assert len(tiny.compress(pixels, max_bytes=share, eta=eta, granularity=point.granularity)) <= share
    # What is flat needs the fewest.
    assert shares[2] == min(shares)


def test_a_curve_tells_what_files_of_the_path_have(codec: Codec) -> None:
    pixels = random_picture(96, 64, seed=3)
    found = measure_curve(codec, pixels, point=OperatingPoint(eta=0.0, max_bytes=77))
    assert np.all(np.diff(found.sizes) > 0)
    assert np.all(np.diff(found.distortions) <= 0)
    data = codec.compress(pixels, ratios=ratios(0.0))
    assert found.sizes[0] == pytest.approx(len(data), abs=4)
    error = np.square(pixels.astype(float) - np.asarray(codec.decompress(data))).mean() * 96 * 64
    assert found.distortions[0] == pytest.approx(error, rel=1e-6)
