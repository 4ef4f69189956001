"""What coding a picture gives: its integers, an estimate of its file, and the file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hvqcgic.entropy import CodeMoments, EncodedPicture, Masks


@dataclass(frozen=True)
class Encoded:
    """A picture as the integers of a file, equal for every coding mode.

    Attributes:
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        masks: the granularity map.
        indices: per granularity, int64, (N_g,), cells in raster order.
        z: hyper-latents by granularity, int64, (C_z, ceil(h_g/F), ceil(w_g/F)); of a picture read from a file, those
            that its coding mode sends.
        parameters: the index prior's parameters, (P, N_g) each, for a picture read from a file whose picture decoder
            uses them; else None.
        moments: mean and deviation of each cell's code under the index prior, if requested on reading; else None.
        coded: adaptive stream of a trial in adaptive mode, which need not be coded again; else None.
        means: latents of local means, int64, (3, h, w); None for a model without.
    """

    width: int
    height: int
    masks: Masks
    indices: dict[str, NDArray[np.int64]]
    z: dict[str, NDArray[np.int64]]
    parameters: dict[str, NDArray[np.float32]] | None = None
    moments: dict[str, CodeMoments] | None = None
    coded: EncodedPicture | None = None
    means: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Trial:
    """A picture at an operating point, and the estimated size of its file.

    Attributes:
        encoded: the picture.
        parts: bits of "map", "z", "coarse", "medium", "fine" and "container", estimated as in `Written`.
    """

    encoded: Encoded
    parts: dict[str, float]

    @property
    def bytes(self) -> float:
        """Estimated size of the file."""
        return sum(self.parts.values()) / 8


@dataclass(frozen=True)
class Written:
    """A whole file in memory.

    Attributes:
        data: the bytes of a `.hvq` file.
        estimated_bits: cross-entropy of the sections' symbols under the tables that coded them.
        parts: bits of "map", "z", "coarse", "medium", "fine" and "container"; the last holds headers, checksum and
            padding, so that all parts sum to the file's size.
    """

    data: bytes
    estimated_bits: float
    parts: dict[str, float]
