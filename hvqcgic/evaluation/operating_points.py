"""Operating points in a codec's specification: numbers, ranges of numbers, and lists of both."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from hvqcgic.errors import ConfigError

_RANGE = re.compile(r"(?P<low>[^.:]+(?:\.\d+)?)\.\.(?P<high>[^:]+)(?::(?P<count>\d+))?")
_MOST_POINTS = 1000


@dataclass(frozen=True)
class Parameter:
    """A number that an encoder can be set to.

    Attributes:
        name: such as "quality".
        low: the least value allowed.
        high: the largest value allowed.
        whole: whether only whole numbers are allowed; values of a range are rounded to them.
    """

    name: str
    low: float
    high: float
    whole: bool = True

    def parse(self, text: str) -> list[str]:
        """Parse operating points into distinct labels, such as ["quality=5", "quality=20"].

        Args:
            text: points separated by ";". Each is VALUE, LOW..HIGH:COUNT (evenly spaced), or LOW..HIGH (whole numbers).
                NAME= may stand before each.
        Raises:
            ConfigError: the text does not parse, or a value is not allowed.
        """
        labels: list[str] = []
        for part in text.split(";"):
            name, equals, values = part.strip().rpartition("=")
            if equals and name.strip() != self.name:
                raise ConfigError(f"point {part!r}: the parameter here is {self.name!r}; {self.usage()}")
            labels += [self._label(value) for value in self._values(values.strip())]
        return list(dict.fromkeys(labels))

    def value(self, label: str) -> float:
        """Return the number in a label of `parse`."""
        return float(label.rpartition("=")[2])

    def usage(self) -> str:
        """Describe the allowed values in words."""
        kind = "whole numbers" if self.whole else "numbers"
        return f"give {kind} from {self.low:g} to {self.high:g}, such as {self.low:g}..{self.high:g}:8 for eight points"

    def _values(self, text: str) -> list[float]:
        found = _RANGE.fullmatch(text)
        if not found:
            return [self._number(text)]
        low, high = self._number(found["low"]), self._number(found["high"])
        if found["count"] is None and not self.whole:
            raise ConfigError(f"range {text!r}: say how many points, as in {text}:8")
        count = int(found["count"]) if found["count"] else round(abs(high - low)) + 1
        if not 1 <= count <= _MOST_POINTS:
            raise ConfigError(f"range {text!r}: {count} points; give 1 to {_MOST_POINTS}")
        steps = max(count - 1, 1)
        return [low + (high - low) * step / steps for step in range(count)]

    def _number(self, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not self.low <= value <= self.high or (self.whole and value != round(value)):
            raise ConfigError(f"{self.name} {text!r} is not allowed; {self.usage()}")
        return value

    def _label(self, value: float) -> str:
        return f"{self.name}={round(value) if self.whole else round(value, 4):g}"
