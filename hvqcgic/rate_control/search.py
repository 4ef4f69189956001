"""Search along a path for the place where something that grows along it has a wanted value, in few measurements.

A rough forecast of the value is known for every place. As long as all measurements lie on one side, the next place is
where the forecast, scaled to the last measurement, has the wanted value, and after a few of them the end of the path;
between two sides it is interpolated, by the Illinois rule (Dowell and Jarratt 1971): an end of the bracket that stays
counts less and less, or the other end would be all that moves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Forecast = Callable[[float], float]
"""Rough value at a place in [0, 1]; of one sign, and growing."""

_HALVINGS = 50
_LEAST_STEP = 0.02
"""Share of a bracket that is left on either side of a place to try in it."""
_PATIENCE = 4
"""Measurements on one side after which the end of the path is looked at: a flat curve would take ever smaller steps."""
_EARLIER = (0.9, 0.8, 0.7)
"""Shares of a place where values jump, at which what comes before the jump is looked at."""


@dataclass(frozen=True)
class Wanted:
    """The values that will do.

    Attributes:
        aim: the best of them.
        low: the least of them.
        high: the largest.
    """

    aim: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value will do."""
        return self.low <= value <= self.high


@dataclass
class PathSearch:
    """Proposes places and is told values.

    Attributes:
        wanted: the values that will do.
        forecast: see `Forecast`.
        values: measured so far, by place.
    """

    wanted: Wanted
    forecast: Forecast
    values: dict[float, float] = field(default_factory=dict)

    def propose(self) -> float | None:
        """The next place to measure; None where there is no better one to try."""
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
        """Take note of what was measured."""
        self.values[place] = value

    def _beyond(self, known: float | None, end: float) -> float | None:
        """A place between the outermost known one and an end of the path, or that end."""
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
    """A place well before one that values jump to at which they have been enough already, or that one.

    Of few cells, quality does not grow steadily along the ratio path: it may have fallen since.
    """
    earlier = (share * place for share in _EARLIER)
    return next((each for each in earlier if each and is_enough(each)), place)
