"""The first passes of an adaptive stream, and what the entropy model expects of the cells of the others.

A stream may be read as far as some pass, or as far as a download has come. Where the bytes end early, what follows
decides the next symbols. So the stream is decoded twice, with zeros and with ones behind it: whatever would have
followed lies between these two, and so do its symbols. Those on which both agree are certain.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.entropy.entropy_model import EntropyModel
from hvqcgic.entropy.expectation import code_moments
from hvqcgic.entropy.index_coding import PassCells
from hvqcgic.entropy.masks import Masks
from hvqcgic.entropy.range_coding import Frequencies, RangeDecoder, symbol_bits
from hvqcgic.errors import BitstreamError, Truncated

Completion = Literal["mean", "likeliest", "none"]
"""What stands in for a code that was not read: the mean of the codes by the prior, its likeliest one, or zeros."""

ONES = b"\xff" * 16
"""Behind bytes that end early: one word would do, as the two readings part within it."""


@dataclass(frozen=True)
class PartlyRead:
    """The first passes of a picture.

    Attributes:
        masks: the granularity map.
        codes: per granularity, (N_g, d) float32: of the cells that were read their codes, of others what stands for
            them.
        parameters: per granularity, (P, N_g) float32, where the picture decoder reads the prior.
        passes: names of those read to their end.
        cells_read: how many cells were read.
        bits: what map, hyper-latents and indices read take in the stream, by the frequencies.
    """

    masks: Masks
    codes: dict[str, NDArray[np.float32]]
    parameters: dict[str, NDArray[np.float32]] | None
    passes: tuple[str, ...]
    cells_read: int
    bits: float


class CertainDecoder(RangeDecoder):
    """A range decoder over bytes that may end early; gives symbols as far as they are certain.

    Args:
        data: the bytes.
        whole: whether they are all of the stream.
    """

    def __init__(self, data: bytes, *, whole: bool) -> None:
        super().__init__(data)
        self._readings = [RangeDecoder(data)]
        if not whole:
            self._readings.append(RangeDecoder(data + ONES + b"\xff" * (-len(data) % 4)))
        self.bits = 0.0

    def decode_each(self, frequencies: Frequencies) -> NDArray[np.int64]:
        """As of `RangeDecoder`; `Truncated` where a symbol is not certain."""
        found = self.certain(frequencies)
        if len(found) < len(frequencies):
            raise Truncated(_TOO_SHORT)
        return found

    def decode_all(self, frequencies: Frequencies, count: int) -> NDArray[np.int64]:
        """As of `RangeDecoder`; `Truncated` where a symbol is not certain."""
        try:
            found, *others = (reading.decode_all(frequencies, count) for reading in self._readings)
        except BitstreamError as error:
            raise (error if len(self._readings) == 1 else Truncated(_TOO_SHORT)) from error
        if not all(np.array_equal(found, other) for other in others):
            raise Truncated(_TOO_SHORT)
        self.bits += float(symbol_bits(frequencies[found], frequencies.sum(), len(frequencies)).sum())
        return found

    def certain(self, frequencies: Frequencies) -> NDArray[np.int64]:
        """The first symbols of rows of frequencies (N, K), (n,): all that are certain; nothing can be read after less.

        Raises:
            BitstreamError: all of the stream is there, and is damaged.
        """
        if len(self._readings) == 1:
            found = self._readings[0].decode_each(frequencies)
        else:
            found, other = (_as_far_as_possible(reading, frequencies) for reading in self._readings)
            length = min(len(found), len(other))
            differ = np.flatnonzero(found[:length] != other[:length])
            found = found[: differ[0] if len(differ) else length]
        rows = frequencies[: len(found)]
        chosen = rows[np.arange(len(found)), found]
        self.bits += float(symbol_bits(chosen, rows.sum(1), frequencies.shape[1]).sum())
        return found


def _as_far_as_possible(decoder: RangeDecoder, frequencies: Frequencies) -> NDArray[np.int64]:
    """Symbols up to the first one that what was put behind the bytes makes impossible."""
    before = decoder.clone()
    try:
        return decoder.decode_each(frequencies)
    except BitstreamError:
        found: list[int] = []
        for row in range(len(frequencies)):
            try:
                found.append(int(before.decode_each(frequencies[row : row + 1])[0]))
            except BitstreamError:
                break
        return np.array(found, np.int64)


_TOO_SHORT = "the bytes end before the first pass does: more of the file is needed for a preview"


class _Reader:
    """Answers a walk: indices as far as they are read, then those of the codes nearest to what is expected."""

    def __init__(
        self, model: EntropyModel, decoder: CertainDecoder, codebook: NDArray[np.float32], passes: int, fill: Completion
    ) -> None:
        self._model, self._decoder, self._codebook, self._fill = model, decoder, codebook, fill
        self._wanted = [step.name for step in model.walk.schedule[:passes]]
        self._ended = False
        self.unread: dict[str, list[tuple[NDArray[np.int64], NDArray[np.float32]]]] = {g: [] for g in GRANULARITIES}
        self.broken: set[str] = set()
        self.cells_read = 0

    def resolve(self, cells: PassCells) -> NDArray[np.int64]:
        """Indices (N,) of some cells."""
        found = np.zeros(len(cells.ranks), np.int64)
        for chunk in self._model.prior.chunks(cells.parameters, cells.step.granularity):
            reads = not self._ended and cells.step.name in self._wanted
            own = self._decoder.certain(chunk.frequencies) if reads else np.zeros(0, np.int64)
            first = chunk.start + len(own)
            found[chunk.start : first] = own
            self.cells_read += len(own)
            if first < chunk.stop:
                self._ended = True
                self.broken.add(cells.step.name)
                found[first : chunk.stop], codes = self._expected(chunk.frequencies[len(own) :])
                self.unread[cells.step.granularity].append((cells.ranks[first : chunk.stop], codes))
        return found

    def _expected(self, frequencies: Frequencies) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """What later passes are told of unread cells, (N,), and what stands for their codes, (N, d)."""
        codebook = self._codebook
        mean = code_moments(frequencies, codebook).mean
        nearest = ((codebook * codebook).sum(1) - 2 * mean @ codebook.T).argmin(1)
        if self._fill == "likeliest":
            return nearest, codebook[frequencies.argmax(1)]
        return nearest, mean if self._fill == "mean" else np.zeros_like(mean)


def read_passes(
    model: EntropyModel,
    grid: tuple[int, int, int, int],
    data: bytes,
    codebook: NDArray[np.float32],
    *,
    whole: bool,
    passes: int,
    fill: Completion,
) -> PartlyRead:
    """Reads the first passes of the section of an adaptive stream.

    Args:
        model: that wrote it.
        grid: rows and columns of 16-pixel cells, counts of coarse and of medium cells.
        data: the section, or its beginning.
        codebook: (K, d).
        whole: whether it is all of the section.
        passes: of the schedule, as many as are to be read.
        fill: what stands in for codes that were not read. Later passes are told the code nearest to the mean: of
            three ways (that, the likeliest code, "not known") the one with the best previews.
    Raises:
        Truncated: the bytes end before the first pass.
        BitstreamError: the section is damaged.
    """
    decoder = CertainDecoder(data, whole=whole)
    masks = model.map_coder.decode(decoder, *grid)
    z = model.decode_z(decoder, masks)
    reader = _Reader(model, decoder, codebook, passes, fill)
    walked = model.walk.run(masks, z, reader.resolve, keep_parameters=model.decoder_prior)
    wanted = (step.name for step in model.walk.schedule[:passes])
    counted = list(takewhile(lambda name: name not in reader.broken, wanted))
    if not counted:
        raise Truncated(_TOO_SHORT)
    codes = {g: _codes(walked.indices[g], codebook, reader.unread[g]) for g in GRANULARITIES}
    return PartlyRead(masks, codes, walked.parameters, tuple(counted), reader.cells_read, decoder.bits)


def _codes(
    indices: NDArray[np.int64],
    codebook: NDArray[np.float32],
    unread: list[tuple[NDArray[np.int64], NDArray[Any]]],
) -> NDArray[np.float32]:
    codes = codebook[indices]
    for ranks, values in unread:
        codes[ranks] = values
    return codes
