"""Search along a path for the place where an increasing value equals a target, with few measurements.

A rough forecast of the value is known for every place. While all measurements are on one side of the target, the next
place is where the forecast, scaled to the last measurement, equals the target; after several such measurements it is
the end of the path. Between measurements on both sides, the place is interpolated by the Illinois rule (Dowell and
Jarratt 1971): the weight of an end of the bracket that stays is reduced, so that both ends move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

TOLERANCE_SHARE = 0.01
TOLERANCE_BYTES = 16
SLACK_BYTES = 2
"""Tolerance between a file's size and its estimate, for the range coder's last word and rounding."""

Forecast = Callable[[float], float]
"""Rough value at a place in [0, 1]; of one sign, and increasing."""

_HALVINGS = 50
_LEAST_STEP = 0.02
"""Least distance of a tried place from either end of a bracket, as a share of the bracket."""
_PATIENCE = 4
"""Number of measurements on one side before the end of the path is tried; flat curves make small steps."""
_EARLIER = (0.9, 0.8, 0.7)
"""Multiples of a place where the value jumps; earlier places at these multiples are tried."""


@dataclass(frozen=True)
class Wanted:
    """Range of acceptable values.

    Attributes:
        aim: the best value.
        low: the least acceptable value.
        high: the largest acceptable value.
    """

    aim: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value is acceptable."""
        return self.low <= value <= self.high


def size_within(max_bytes: int) -> Wanted:
    """Sizes just below a limit, in bytes."""
    tolerance = max(TOLERANCE_SHARE * max_bytes, TOLERANCE_BYTES)
    low, high = max_bytes - tolerance + SLACK_BYTES, float(max_bytes - SLACK_BYTES)
    return Wanted(max((low + high) / 2, 1.0), low, high)


def size_of_bpp(bpp: float, n_px: int) -> Wanted:
    """Sizes around a bit rate of a picture of `n_px` pixels, in bytes."""
    aim = bpp * n_px / 8
    tolerance = max(TOLERANCE_SHARE * aim, TOLERANCE_BYTES) - SLACK_BYTES
    return Wanted(aim, aim - tolerance, aim + tolerance)


def best(values: Mapping[float, float], wanted: Wanted) -> float:
    """Return the place with the value nearest to the aim, preferring values that are not too large."""
    fitting = {place: value for place, value in values.items() if value <= wanted.high} or values
    return min(sorted(fitting), key=lambda place: abs(fitting[place] - wanted.aim))


def around(values: Mapping[float, float], aim: float) -> dict[float, float]:
    """Return the measured values next to the aim on either side, at most two, by place."""
    below = max((place for place, value in values.items() if value < aim), default=None)
    above = min((place for place, value in values.items() if value >= aim), default=None)
    return {place: values[place] for place in (below, above) if place is not None}


@dataclass
class PathSearch:
    """Proposes places and receives measured values.

    Attributes:
        wanted: range of acceptable values.
        forecast: see `Forecast`.
        values: measured values by place.
    """

    wanted: Wanted
    forecast: Forecast
    values: dict[float, float] = field(default_factory=dict)

    def propose(self) -> float | None:
        """Return the next place to measure; None if no better place can be tried."""
        if not self.values:
            return self._place_of(self.wanted.aim)
        below = max((t for t, value in self.values.items() if value < self.wanted.aim), default=None)
        above = min((t for t, value in self.values.items() if value >= self.wanted.aim), default=None)
        if above is None:
            return self._beyond(below, 1.0)
        if below is None:
            return self._beyond(above, 0.0)
        place = self._between(below, above)
        return None if place in self.values or not below < place < above else place

    def tell(self, place: float, value: float) -> None:
        """Record a measured value."""
        self.values[place] = value

    def _beyond(self, known: float | None, end: float) -> float | None:
        """Return a place between the outermost measured place and an end of the path, or the end."""
        if known is None or known == end:
            return None
        if len(self.values) >= _PATIENCE or not self.values[known]:
            return end
        scaled = self.wanted.aim / self.values[known] * self.forecast(known)
        place = self._place_of(scaled)
        forward = (place - known) * (end - known) > 0
        return place if forward and place not in self.values else end

    def _between(self, below: float, above: float) -> float:
        lacking, excess = self.wanted.aim - self.values[below], self.values[above] - self.wanted.aim
        sides = [value < self.wanted.aim for value in self.values.values()]
        stayed = next(n for n, side in enumerate(reversed(sides)) if side != sides[-1]) - 1
        if sides[-1]:
            excess *= 0.5**stayed
        else:
            lacking *= 0.5**stayed
        start, stop = self.forecast(below), self.forecast(above)
        place = self._place_of(start + lacking / (lacking + excess) * (stop - start), below, above)
        least = _LEAST_STEP * (above - below)
        return min(max(place, below + least), above - least)

    def _place_of(self, value: float, low: float = 0.0, high: float = 1.0) -> float:
        if value <= self.forecast(low):
            return low
        if value >= self.forecast(high):
            return high
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.forecast(middle) < value else (low, middle)
        return (low + high) / 2


def before_jump(place: float, is_enough: Callable[[float], bool]) -> float:
    """Return a place well before a jump where the value was already acceptable, or the place of the jump.

    With few cells, quality does not increase steadily along the ratio path, so an earlier place may be acceptable, too.
    """
    earlier = (share * place for share in _EARLIER)
    return next((each for each in earlier if each and is_enough(each)), place)
