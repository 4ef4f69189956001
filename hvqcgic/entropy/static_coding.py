"""Coding of indices without context: by frozen usage counts, in words of fixed length, or by a general compressor."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.entropy.huffman import HuffmanCode
from hvqcgic.entropy.range_coding import RangeDecoder, SymbolSink
from hvqcgic.errors import BitstreamError, ModelError

Indices = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class CodedIndices:
    """The indices of a picture as bytes, and the bits of each granularity in them, by name."""

    data: bytes
    bits: dict[str, float]


class StaticCoder:
    """Codes indices of K codes with frequencies from training's usage counts.

    Args:
        usage: (3, K) counts, order coarse, medium, fine; 0 counts as 1.

    Raises:
        ModelError: counts are negative, too large to be exact, or not of that shape.
    """

    def __init__(self, usage: NDArray[Any]) -> None:
        if usage.ndim != 2 or usage.shape[0] != len(GRANULARITIES) or usage.shape[1] < 2:
            raise ModelError(f"usage counts have shape {usage.shape}, expected (3, codes)")
        if usage.min() < 0 or usage.max() > 2**40:
            raise ModelError("usage counts must be 0 to 2^40")
        self.codes = usage.shape[1]
        self.counts = {g: np.maximum(row.astype(np.int64), 1) for g, row in zip(GRANULARITIES, usage, strict=True)}
        self.index_bits = (self.codes - 1).bit_length()

    @cached_property
    def huffman(self) -> dict[str, HuffmanCode]:
        """The canonical code of each granularity."""
        return {g: HuffmanCode(counts) for g, counts in self.counts.items()}

    def encode_arithmetic(self, encoder: SymbolSink, indices: Indices) -> dict[str, float]:
        """Encode the indices into a range-coded stream; return the bits of each granularity."""
        return {g: encoder.encode_all(indices[g], self.counts[g].astype(np.float64)) for g in GRANULARITIES}

    def decode_arithmetic(self, decoder: RangeDecoder, sizes: Mapping[str, int]) -> dict[str, NDArray[np.int64]]:
        """Decode `sizes[g]` indices of each granularity."""
        return {g: decoder.decode_all(self.counts[g].astype(np.float64), sizes[g]) for g in GRANULARITIES}

    def encode_huffman(self, indices: Indices) -> CodedIndices:
        """Concatenate the code words of all indices, granularity by granularity."""
        bits = {g: self.huffman[g].encode(indices[g]) for g in GRANULARITIES}
        return _pack(bits)

    def decode_huffman(self, data: bytes, sizes: Mapping[str, int]) -> dict[str, NDArray[np.int64]]:
        """Decode the output of `encode_huffman`.

        Raises:
            BitstreamError: the data are too short or too long.
        """
        bits, indices, position = np.unpackbits(np.frombuffer(data, np.uint8)), {}, 0
        for granularity in GRANULARITIES:
            indices[granularity], used = self.huffman[granularity].decode(bits[position:], sizes[granularity])
            position += used
        _check_size("Huffman coded indices", len(data), -(-position // 8))
        return indices

    def encode_fixed(self, indices: Indices) -> CodedIndices:
        """Encode every index in ceil(log2 K) bits, most significant first."""
        shifts = np.arange(self.index_bits - 1, -1, -1)
        return _pack({g: ((indices[g][:, None] >> shifts) & 1).astype(np.uint8).reshape(-1) for g in GRANULARITIES})

    def decode_fixed(self, data: bytes, sizes: Mapping[str, int]) -> dict[str, NDArray[np.int64]]:
        """Decode the output of `encode_fixed`.

        Raises:
            BitstreamError: the data have another size, or an index exceeds K.
        """
        total = sum(sizes.values())
        _check_size("indices of fixed length", len(data), -(-total * self.index_bits // 8))
        bits = np.unpackbits(np.frombuffer(data, np.uint8), count=total * self.index_bits)
        weights = 1 << np.arange(self.index_bits - 1, -1, -1)
        return self._split(bits.reshape(total, self.index_bits) @ weights, sizes)

    def encode_zip(self, indices: Indices) -> CodedIndices:
        """Encode indices as little-endian 16-bit numbers (32-bit beyond 65 536 codes), compressed by DEFLATE, level 9.

        The compressor gets all granularities together; the bits of each are its share by number of indices.
        """
        values = np.concatenate([indices[g] for g in GRANULARITIES])
        data = zlib.compress(values.astype(self._plain_type).tobytes(), 9)
        return CodedIndices(data, {g: 8.0 * len(data) * len(indices[g]) / max(len(values), 1) for g in GRANULARITIES})

    def decode_zip(self, data: bytes, sizes: Mapping[str, int]) -> dict[str, NDArray[np.int64]]:
        """Decode the output of `encode_zip`.

        Raises:
            BitstreamError: the data are damaged, give another number of indices, or an index exceeds K.
        """
        expected = sum(sizes.values()) * np.dtype(self._plain_type).itemsize
        decompressor = zlib.decompressobj()
        try:
            plain = decompressor.decompress(data, expected + 1)
        except zlib.error as error:
            raise BitstreamError("zipped indices are damaged") from error
        if len(plain) != expected or not decompressor.eof or decompressor.unused_data:
            raise BitstreamError(f"zipped indices do not hold the {sum(sizes.values())} indices that the header names")
        return self._split(np.frombuffer(plain, self._plain_type).astype(np.int64), sizes)

    @property
    def _plain_type(self) -> str:
        return "<u2" if self.codes <= 2**16 else "<u4"

    def _split(self, values: NDArray[np.int64], sizes: Mapping[str, int]) -> dict[str, NDArray[np.int64]]:
        if len(values) and values.max() >= self.codes:
            raise BitstreamError(f"an index is {values.max()} of {self.codes} codes; the stream is damaged")
        ends = np.cumsum([sizes[g] for g in GRANULARITIES])
        return dict(zip(GRANULARITIES, np.split(values, ends[:-1]), strict=True))


def _pack(bits: Mapping[str, NDArray[np.uint8]]) -> CodedIndices:
    data = np.packbits(np.concatenate([bits[g] for g in GRANULARITIES])).tobytes()
    return CodedIndices(data, {g: float(len(bits[g])) for g in GRANULARITIES})


def _check_size(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise BitstreamError(f"{what} take {expected} bytes, the stream holds {found}; it is damaged")
