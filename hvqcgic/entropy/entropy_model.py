"""The entropy model: granularity map, hyper-latents and indices to sections of bytes and back, in every coding mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hvqcgic.bitstream import GRANULARITIES, MODES, parse_schedule
from hvqcgic.entropy.expectation import CodeMoments, MomentsByCell
from hvqcgic.entropy.frequency_chunks import PassFrequencies
from hvqcgic.entropy.hyper_latents import HyperLatentCoder
from hvqcgic.entropy.index_coding import IndexWalk, PassCells, checked_indices
from hvqcgic.entropy.index_prior import IndexPrior
from hvqcgic.entropy.map_coding import MapCoder
from hvqcgic.entropy.masks import Masks
from hvqcgic.entropy.network_building import NetworkBuilder
from hvqcgic.entropy.range_coding import RangeDecoder, RangeEncoder, SymbolSink
from hvqcgic.entropy.raw_map import BITS_PER_COARSE_CELL, decode_raw_map, encode_raw_map
from hvqcgic.entropy.spec import EntropySpec, check_integers
from hvqcgic.entropy.static_coding import CodedIndices, StaticCoder
from hvqcgic.errors import BitstreamError, ModelError
from hvqcgic.schema import build

RANGE_CODED = MODES[:2]

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class EncodedPicture:
    """A picture's information as bytes.

    Attributes:
        sections: adaptive and static-arithmetic: one range-coded stream. Other modes: raw map, indices, and range-coded
            z if the picture decoder reads the prior.
        estimated_bits: cross-entropy of the sections under their frequencies; the sum of `parts`.
        parts: bits of "map", "z", "coarse", "medium" and "fine".
    """

    sections: tuple[bytes, ...]
    estimated_bits: float
    parts: dict[str, float]


@dataclass(frozen=True)
class DecodedPicture:
    """The decoded content of the sections.

    Attributes:
        masks: the granularity map.
        indices: per granularity, (N_g,) int64 in raster order.
        parameters: per granularity, (P, N_g) float32, of the index prior; None unless the picture decoder reads them.
        z: the hyper-latents in the stream, by name.
        moments: per granularity, moments of the N_g codes under the prior; None unless requested in the adaptive mode.
    """

    masks: Masks
    indices: dict[str, NDArray[np.int64]]
    parameters: dict[str, NDArray[np.float32]] | None
    z: dict[str, NDArray[np.int64]]
    moments: dict[str, CodeMoments] | None = None


class EntropyModel:
    """A frozen entropy model.

    Args:
        spec: JSON-able description, and
        arrays: integer arrays by name, both as `hvqcgic.entropy.freeze` makes them.

    Raises:
        ModelError: a part is missing or does not fit the others, or a network could leave the exact range.
    """

    def __init__(self, spec: Mapping[str, Any], arrays: Arrays) -> None:
        try:
            self._build(build(EntropySpec, spec, "entropy"), arrays)
        except ModelError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError, OverflowError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else error
            raise ModelError(f"frozen entropy model is damaged or incomplete: {what}") from error

    def encode(
        self, masks: Masks, indices: Mapping[str, NDArray[Any]], z: Mapping[str, NDArray[Any]], *, mode: str
    ) -> EncodedPicture:
        """Encode a picture.

        Args:
            masks: the granularity map.
            indices: per granularity, (N_g,) integers in [0, K), raster order.
            z: per granularity with a hyperprior, (Cz, ceil(h_g / F), ceil(w_g / F)) integers; positions without a cell
                of the granularity are not sent and count as 0. Local means, (3, h, w), as "means".
            mode: one of MODES.

        Raises:
            ValueError: the mode is unknown, or indices or z do not fit.
        """
        check_mode(mode)
        indices = checked_indices(indices, masks, self.prior.codes)
        z = self.hyper_latents.sent(masks, z, mode)
        if mode not in RANGE_CODED:
            return self._encode_plain(masks, indices, z, mode)
        encoder = RangeEncoder()
        parts = self.side_information(encoder, masks, z, mode=mode)
        if mode == "adaptive":
            parts |= self._encode_adaptive(encoder, masks, indices, z)
        else:
            parts |= self.static.encode_arithmetic(encoder, indices)
        return EncodedPicture((encoder.finish(),), sum(parts.values()), parts)

    def side_information(
        self, sink: SymbolSink, masks: Masks, z: Mapping[str, NDArray[np.int64]], *, mode: str
    ) -> dict[str, float]:
        """Code map and hyper-latents, of `sent`, of a range-coded mode into a sink; return bits of "map" and "z"."""
        map_bits = self.map_coder.encode(sink, masks)
        return {"map": map_bits, "z": self.hyper_latents.encode(sink, masks, z, mode)}

    def decode(
        self,
        h16: int,
        w16: int,
        n_coarse: int,
        n_medium: int,
        sections: Sequence[bytes],
        *,
        mode: str,
        codebook: NDArray[np.float32] | None = None,
    ) -> DecodedPicture:
        """Decode the output of `encode`.

        Args:
            h16: height of the padded picture in 16-pixel cells.
            w16: width of the padded picture in 16-pixel cells.
            n_coarse: number of coarse cells.
            n_medium: number of medium cells.
            sections: as returned by `encode`; time and memory are bounded for arbitrary bytes.
            mode: one of MODES.
            codebook: (K, d), to compute moments of the codes, in the adaptive mode only; None for no moments.

        Raises:
            BitstreamError: sections are damaged.
            ValueError: the mode is unknown.
        """
        check_mode(mode)
        if not (h16 > 0 and w16 > 0 and 0 <= n_coarse <= h16 * w16 and 0 <= n_medium <= 4 * (h16 * w16 - n_coarse)):
            raise BitstreamError(f"{n_coarse} coarse and {n_medium} medium cells do not fit a grid of {h16} x {w16}")
        expected = 1 if mode in RANGE_CODED else 3 if self.hyper_latents.names(mode) else 2
        if len(sections) != expected:
            raise BitstreamError(f"{len(sections)} sections, mode {mode} of this model has {expected}")
        if mode not in RANGE_CODED:
            masks = decode_raw_map(sections[0], h16, w16, n_coarse, n_medium)
            indices = self._plain[mode][1](sections[1], _sizes(masks))
            z = self.hyper_latents.decode(RangeDecoder(sections[2]), masks, mode) if expected == 3 else {}
            return self._decoded(masks, indices, z)
        decoder = RangeDecoder(sections[0])
        masks = self.map_coder.decode(decoder, h16, w16, n_coarse, n_medium)
        if mode == "adaptive":
            return self._decode_adaptive(decoder, masks, codebook)
        z = self.hyper_latents.decode(decoder, masks, mode)
        indices = self.static.decode_arithmetic(decoder, _sizes(masks))
        return self._decoded(masks, indices, z)

    def _decoded(
        self, masks: Masks, indices: dict[str, NDArray[np.int64]], z: dict[str, NDArray[np.int64]]
    ) -> DecodedPicture:
        told = self.parameters(masks, indices, z) if self.decoder_prior else None
        return DecodedPicture(masks, indices, told, z)

    def _decode_adaptive(
        self, decoder: RangeDecoder, masks: Masks, codebook: NDArray[np.float32] | None
    ) -> DecodedPicture:
        expected = None if codebook is None else MomentsByCell(codebook, _sizes(masks))

        def resolve(cells: PassCells) -> NDArray[np.int64]:
            granularity, found = cells.step.granularity, []
            for chunk in self.prior.chunks(cells.parameters, granularity):
                found.append(decoder.decode_each(chunk.frequencies))
                if expected:
                    expected.add(granularity, cells.ranks[chunk.start : chunk.stop], chunk.frequencies)
            return np.concatenate(found)

        z = self.hyper_latents.decode(decoder, masks)
        result = self.walk.run(masks, z, resolve, keep_parameters=self.decoder_prior)
        return DecodedPicture(masks, result.indices, result.parameters, z, expected and expected.moments)

    def parameters(
        self, masks: Masks, indices: Mapping[str, NDArray[Any]], z: Mapping[str, NDArray[Any]]
    ) -> dict[str, NDArray[np.float32]]:
        """The index prior's parameters of every cell, (P, N_g) per granularity, for an encoder's picture decoder."""

        def resolve(cells: PassCells) -> NDArray[Any]:
            return indices[cells.step.granularity][cells.ranks]

        parameters = self.walk.run(masks, self.hyper_latents.sent(masks, z), resolve, keep_parameters=True).parameters
        assert parameters is not None
        return parameters

    def frequencies(
        self, masks: Masks, indices: Mapping[str, NDArray[Any]], z: Mapping[str, NDArray[Any]]
    ) -> list[PassFrequencies]:
        """All frequencies of the range coder in the adaptive mode, in coding order; for small pictures only."""
        told: list[PassFrequencies] = []

        def resolve(cells: PassCells) -> NDArray[Any]:
            for chunk in self.prior.chunks(cells.parameters, cells.step.granularity):
                ranks = cells.ranks[chunk.start : chunk.stop]
                told.append(PassFrequencies(cells.step.name, ranks, chunk.frequencies.copy()))
            return indices[cells.step.granularity][cells.ranks]

        self.walk.run(masks, self.hyper_latents.sent(masks, z), resolve)
        return told

    def _build(self, spec: EntropySpec, arrays: Arrays) -> None:
        check_integers(arrays)
        precision, schedule = spec.precision, parse_schedule(spec.schedule)
        self.decoder_prior = spec.decoder_prior
        self.prior = IndexPrior(spec.prior, arrays, activation_bits=precision.activation_bits)
        self.static = StaticCoder(arrays["usage"])
        self.map_coder = MapCoder(arrays)
        self.hyper_latents = HyperLatentCoder(spec, arrays)
        embeddings = torch.from_numpy(arrays["embeddings"].astype(np.float64))
        if embeddings.ndim != 2 or not len(embeddings) == self.prior.codes == self.static.codes >= 2:
            raise ModelError(
                f"codebook of shape {tuple(embeddings.shape)}, prior of {self.prior.codes} and "
                f"usage of {self.static.codes} codes do not belong together"
            )
        self.codebook_shape = tuple(embeddings.shape)
        networks = NetworkBuilder(spec.networks, arrays, precision)
        synthesis = networks.all_syntheses(self.hyper_latents)
        context = {
            step.name: networks.context(step, synthesis[step.granularity], embeddings, self.prior.parameter_count)
            for step in schedule
        }
        self.walk = IndexWalk(
            schedule, synthesis, context, embeddings=embeddings, activation_bits=precision.activation_bits
        )

    def _encode_adaptive(
        self,
        encoder: RangeEncoder,
        masks: Masks,
        indices: Mapping[str, NDArray[Any]],
        z: Mapping[str, NDArray[Any]],
    ) -> dict[str, float]:
        bits = dict.fromkeys(GRANULARITIES, 0.0)

        def resolve(cells: PassCells) -> NDArray[Any]:
            granularity = cells.step.granularity
            own = indices[granularity][cells.ranks]
            for chunk in self.prior.chunks(cells.parameters, granularity):
                bits[granularity] += encoder.encode_each(own[chunk.start : chunk.stop], chunk.frequencies)
            return own

        self.walk.run(masks, z, resolve)
        return bits

    def _encode_plain(
        self, masks: Masks, indices: Mapping[str, NDArray[Any]], z: Mapping[str, NDArray[Any]], mode: str
    ) -> EncodedPicture:
        raw_map = encode_raw_map(masks)
        coded = self._plain[mode][0](indices)
        parts = {"map": float(BITS_PER_COARSE_CELL * masks.coarse.size), "z": 0.0, **coded.bits}
        if not self.hyper_latents.names(mode):
            return EncodedPicture((raw_map, coded.data), sum(parts.values()), parts)
        encoder = RangeEncoder()
        parts["z"] = self.hyper_latents.encode(encoder, masks, z, mode)
        return EncodedPicture((raw_map, coded.data, encoder.finish()), sum(parts.values()), parts)

    @property
    def _plain(self) -> dict[str, tuple[Callable[..., CodedIndices], Callable[..., dict[str, NDArray[np.int64]]]]]:
        """Encoder and decoder of the indices in each mode without range coding."""
        return {
            "static-huffman": (self.static.encode_huffman, self.static.decode_huffman),
            "fixed-length": (self.static.encode_fixed, self.static.decode_fixed),
            "zip": (self.static.encode_zip, self.static.decode_zip),
        }


def check_mode(mode: str) -> None:
    """Raise `ValueError` for an unknown coding mode."""
    if mode not in MODES:
        raise ValueError(f"coding mode {mode!r} is unknown; choose {', '.join(MODES)}")


def _sizes(masks: Masks) -> dict[str, int]:
    return {g: masks.count(g) for g in GRANULARITIES}
