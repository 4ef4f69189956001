"""The search along a path: for any growing function it narrows what is left, repeats nothing, and comes to an end."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvqcgic.rate_control.search import PathSearch, Wanted, before_jump

Curve = Callable[[float], float]

LEVELS = st.floats(0.01, 1e6)
SMOOTH: dict[str, Curve] = {
    "linear": lambda t: 100 + 900 * t,
    "square": lambda t: 100 + 900 * t * t,
    "root": lambda t: 100 + 900 * math.sqrt(t),
    "exponential": lambda t: 100 * 10**t,
    "late": lambda t: 100 + 900 * t**6,
    "logistic": lambda t: 100 + 900 / (1 + math.exp(-12 * (t - 0.6))),
}

ALIKE = ("linear", "square", "exponential")
"""Curves about as different from each other as forecasts are from files."""


@st.composite
def steps(draw: st.DrawFn) -> Curve:
    """A growing function of steps and slopes, above 0 everywhere."""
    places = sorted(draw(st.lists(st.floats(0, 1), min_size=1, max_size=5)))
    heights = [draw(LEVELS) for _ in places]
    slope = draw(st.sampled_from([0.0, 1e-6, 1.0, 1e3]))
    start = draw(LEVELS)
    return lambda t: start + slope * t + sum(h for p, h in zip(places, heights, strict=True) if t >= p)


def growing(low: float, high: float, bend: float) -> Curve:
    return lambda t: low + (high - low) * t**bend


forecasts = st.builds(growing, st.floats(0.01, 100), st.floats(101, 1e5), st.sampled_from([0.3, 1.0, 3.0]))


def exhaust(search: PathSearch, curve: Curve, *, most: int = 1500) -> list[float]:
    """Every place that is proposed, in order."""
    places: list[float] = []
    while (place := search.propose()) is not None:
        assert len(places) < most, "the search does not end"
        places.append(place)
        search.tell(place, curve(place))
    return places


def bracket(values: dict[float, float], aim: float) -> tuple[float, float]:
    """Outermost places known to be below the aim, and not below it; the path's ends, and beyond, where unknown."""
    below = max((t for t, value in values.items() if value < aim), default=-1.0)
    return below, min((t for t, value in values.items() if value >= aim), default=2.0)


@given(steps(), forecasts, LEVELS, st.booleans())
def test_it_narrows_repeats_nothing_and_ends(curve: Curve, forecast: Curve, aim: float, negative: bool) -> None:
    def value(t: float) -> float:
        return -curve(1 - t) if negative else curve(t)

    def rough(t: float) -> float:
        return -forecast(1 - t) if negative else forecast(t)

    aim = -aim if negative else aim
    search = PathSearch(Wanted(aim, aim, aim), rough)
    places = exhaust(search, value)
    assert all(0 <= place <= 1 for place in places)
    assert len(set(places)) == len(places)
    brackets = [bracket({t: value(t) for t in places[:n]}, aim) for n in range(1, len(places) + 1)]
    for (low, high), (next_low, next_high) in pairwise(brackets):
        assert low <= next_low < next_high <= high
        assert next_high - next_low < high - low
    # What it ends on is an end of the path on the wrong side of the aim, or hardly any room between two sides.
    low, high = brackets[-1]
    assert low == 1 or high == 0 or math.isclose(low, high, rel_tol=1e-9, abs_tol=1e-12)


@given(st.floats(0.5, 0.999999), st.sampled_from([-1, 1]), forecasts)
def test_what_no_place_has_is_known_soon(share: float, side: int, forecast: Curve) -> None:
    aim = 100 * share**side
    search = PathSearch(Wanted(aim, aim, aim), forecast)
    places = exhaust(search, lambda t: 100.0, most=6)
    assert places[-1] == (0.0 if aim <= 100 else 1.0)


def steps_to(wanted: Wanted, curve: Curve, forecast: Curve) -> int:
    """How many places are tried until one will do."""
    search = PathSearch(wanted, forecast)
    for place in iter(search.propose, None):
        search.tell(place, curve(place))
        if wanted.holds(search.values[place]):
            break
    return len(search.values)


@pytest.mark.parametrize("curve", SMOOTH)
def test_a_smooth_curve_takes_few_steps(curve: str) -> None:
    low, high = SMOOTH[curve](0.0), SMOOTH[curve](1.0)
    taken: dict[str, list[int]] = {name: [] for name in SMOOTH}
    for aim in (low + share * (high - low) for share in (0.002, 0.05, 0.3, 0.7, 0.95, 0.998)):
        for name, forecast in SMOOTH.items():
            taken[name].append(steps_to(Wanted(aim, 0.99 * aim, 1.01 * aim), SMOOTH[curve], forecast))
    assert max(taken[curve]) == 1
    assert max(max(taken[name]) for name in ALIKE) <= (8 if curve in ALIKE else 15)
    assert sum(map(sum, taken.values())) <= 6 * sum(map(len, taken.values()))


def test_a_forecast_of_the_right_shape_takes_two_steps_whatever_its_scale() -> None:
    assert steps_to(Wanted(500, 499, 501), SMOOTH["exponential"], lambda t: 7 * SMOOTH["exponential"](t)) == 2


@pytest.mark.parametrize("aim", [-0.5, 0.5])
def test_a_value_of_zero_is_no_obstacle(aim: float) -> None:
    search = PathSearch(Wanted(aim, aim, aim), lambda t: math.copysign(1 + t, aim) if aim > 0 else t - 2)
    exhaust(search, lambda t: 0.0)
    assert bracket(search.values, aim) == ((-1.0, 0.0) if aim < 0 else (1.0, 2.0))


@pytest.mark.parametrize(("first", "found"), [(0.55, 0.63), (0.4, 0.56), (0.3, 0.49), (0.75, 0.7)])
def test_what_is_before_a_jump_is_looked_at(first: float, found: float) -> None:
    tried: list[float] = []

    def is_enough(place: float) -> bool:
        tried.append(place)
        return first <= place < first + 0.2

    assert before_jump(0.7, is_enough) == pytest.approx(found)
    assert len(tried) <= 3


def test_nothing_is_before_the_start() -> None:
    assert before_jump(0.0, lambda place: pytest.fail(f"{place} was tried")) == 0
