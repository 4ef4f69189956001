"""The first passes of an adaptive stream, and the codes that the entropy model expects in the other passes.

A stream can be read up to some pass, or up to the end of an incomplete download. The range decoder needs bytes beyond
the symbol that it decodes. An incomplete stream is therefore decoded twice, with zeros and with ones in place of the
missing bytes. Every possible continuation lies between the two, so a symbol on which both decodings agree is certain.
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
"""Replacement for a code that was not read: the mean code under the prior, the most probable code, or zeros."""

ONES = b"\xff" * 16
"""Bytes appended to an incomplete stream; one word is enough, because the two decodings differ within it."""


@dataclass(frozen=True)
class PartlyRead:
    """The first passes of a picture.

    Attributes:
        masks: the granularity map.
        codes: per granularity, (N_g, d) float32: codes of the cells that were read, replacements for the others.
        parameters: per granularity, (P, N_g) float32, if the picture decoder reads the prior.
        passes: names of the passes that were read completely.
        cells_read: number of cells that were read.
        bits: bits of map, hyper-latents and read indices in the stream, by the frequencies.
        z: the hyper-latents, by name.
    """

    masks: Masks
    codes: dict[str, NDArray[np.float32]]
    parameters: dict[str, NDArray[np.float32]] | None
    passes: tuple[str, ...]
    cells_read: int
    bits: float
    z: dict[str, NDArray[np.int64]]


class CertainDecoder(RangeDecoder):
    """A range decoder for bytes that may be incomplete; it returns only certain symbols.

    Args:
        data: the bytes.
        whole: whether they are the complete stream.
    """

    def __init__(self, data: bytes, *, whole: bool) -> None:
        super().__init__(data)
        self._readings = [RangeDecoder(data)]
        if not whole:
            self._readings.append(RangeDecoder(data + ONES + b"\xff" * (-len(data) % 4)))
        self.bits = 0.0

    def decode_each(self, frequencies: Frequencies) -> NDArray[np.int64]:
        """See `RangeDecoder`; raises `Truncated` if a symbol is not certain."""
        found = self.certain(frequencies)
        if len(found) < len(frequencies):
            raise Truncated(_TOO_SHORT)
        return found

    def decode_all(self, frequencies: Frequencies, count: int) -> NDArray[np.int64]:
        """See `RangeDecoder`; raises `Truncated` if a symbol is not certain."""
        try:
            found, *others = (reading.decode_all(frequencies, count) for reading in self._readings)
        except BitstreamError as error:
            raise (error if len(self._readings) == 1 else Truncated(_TOO_SHORT)) from error
        if not all(np.array_equal(found, other) for other in others):
            raise Truncated(_TOO_SHORT)
        self.bits += float(symbol_bits(frequencies[found], frequencies.sum(), len(frequencies)).sum())
        return found

    def certain(self, frequencies: Frequencies) -> NDArray[np.int64]:
        """Decode the certain symbols of rows of frequencies (N, K), (n,); if n < N, nothing more can be read.

        Raises:
            BitstreamError: the stream is complete and damaged.
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
    """Decode symbols up to the first one that the appended bytes make impossible."""
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
    """Returns indices in a walk: read indices, then those of the codes nearest to the expected mean."""

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
        """Return the indices (N,) of some cells."""
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
        """Indices of unread cells for the context of later passes, (N,), and replacements for their codes, (N, d)."""
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
    """Read the first passes of the section of an adaptive stream.

    Args:
        model: the entropy model that wrote it.
        grid: rows and columns of 16-pixel cells, counts of coarse and of medium cells.
        data: the section, or its first part.
        codebook: (K, d).
        whole: whether it is the complete section.
        passes: number of passes to read.
        fill: replacement for codes that were not read. The context of later passes is the code nearest to the mean; of
            three choices (this, the most probable code, "not known") it gave the best previews.
    Raises:
        Truncated: the bytes end before the first pass.
        BitstreamError: the section is damaged.
    """
    decoder = CertainDecoder(data, whole=whole)
    masks = model.map_coder.decode(decoder, *grid)
    z = model.hyper_latents.decode(decoder, masks)
    reader = _Reader(model, decoder, codebook, passes, fill)
    walked = model.walk.run(masks, z, reader.resolve, keep_parameters=model.decoder_prior)
    wanted = (step.name for step in model.walk.schedule[:passes])
    counted = list(takewhile(lambda name: name not in reader.broken, wanted))
    if not counted:
        raise Truncated(_TOO_SHORT)
    codes = {g: _codes(walked.indices[g], codebook, reader.unread[g]) for g in GRANULARITIES}
    return PartlyRead(masks, codes, walked.parameters, tuple(counted), reader.cells_read, decoder.bits, z)


def _codes(
    indices: NDArray[np.int64],
    codebook: NDArray[np.float32],
    unread: list[tuple[NDArray[np.int64], NDArray[Any]]],
) -> NDArray[np.float32]:
    codes = codebook[indices]
    for ranks, values in unread:
        codes[ranks] = values
    return codes
