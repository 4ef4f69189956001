"""Rate as a target: from bits per pixel, bytes, a quality or a budget to what is sent.

`Codec.compress` takes the targets of one picture; `allocate` shares a budget out among many.
"""

from hvqcgic.rate_control.allocation import allocate
from hvqcgic.rate_control.operating_point import OperatingPoint
from hvqcgic.rate_control.regions import Region

__all__ = ["OperatingPoint", "Region", "allocate"]
