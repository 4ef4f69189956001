"""Files of other formats that take no more bytes than a given file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hvqcgic.errors import ConfigError
from hvqcgic.explore.worker import Check
from hvqcgic.pictures import AVIF, JPEG, LossyFormat

RIVALS = {rival.name: rival for rival in (JPEG, AVIF)}


@dataclass(frozen=True)
class Rival:
    """A picture in another format.

    Attributes:
        quality: number that the format was given.
        n_bytes: size of its file.
        fits: whether it is no larger than wanted; without quality to spare, the smallest possible file is larger.
        decoded: the picture that it shows, (H, W, 3), uint8.
    """

    quality: int
    n_bytes: int
    fits: bool
    decoded: NDArray[np.uint8]


def rival_within(pixels: NDArray[np.uint8], kind: LossyFormat, max_bytes: int, check: Check) -> Rival:
    """Find the best quality at which a format takes at most some bytes, by bisection.

    Args:
        pixels: (H, W, 3).
        kind: the format.
        max_bytes: largest size.
        check: called between the encodings.

    Raises:
        ConfigError: this Pillow cannot write the format.
    """
    if not kind.available:
        raise ConfigError(f"{kind.label} is not shown: this Pillow was built without {kind.feature}")
    found: tuple[int, bytes] | None = None
    low, high = kind.lowest, kind.highest
    while low <= high:
        check()
        quality = (low + high) // 2
        data = kind.encode(pixels, quality)
        if len(data) <= max_bytes:
            found, low = (quality, data), quality + 1
        else:
            high = quality - 1
    quality, data = found or (kind.lowest, kind.encode(pixels, kind.lowest))
    return Rival(quality, len(data), found is not None, kind.decode(data))
