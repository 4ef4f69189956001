"""The steps between picture and bytes, which a codec, its rate control and experiments combine.

picture -> analysis -> granularity map -> indices, hyper-latents -> range-coded sections -> container
container -> sections -> indices -> codes -> picture
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from hvqcgic.bitstream import GRANULARITIES, MAX_PIXELS, MEANS, MODES, Header, pack, unpack
from hvqcgic.coder.analysed import Analysed
from hvqcgic.coder.encoded import Encoded, Trial, Written
from hvqcgic.coder.tiled_networks import TiledNetworks
from hvqcgic.coder.window_size import TileSize
from hvqcgic.entropy import (
    RANGE_CODED,
    BitCounter,
    BitRecorder,
    EncodedPicture,
    Masks,
    RangeEncoder,
    WeighedChoice,
    choose,
    price,
)
from hvqcgic.errors import ConfigError, ModelMismatch
from hvqcgic.model_files import FrozenModel
from hvqcgic.models import (
    GranularityMap,
    ModelConfig,
    PictureModel,
    PicturePrecision,
    Ratios,
    check_ratios,
    order_cells,
    pad_to_cells,
    picture_density,
    sent_positions,
    use_bf16,
)
from hvqcgic.pictures import PictureSource, read_picture

SMALLEST_SCALE = 1e-6
"""Least value of the mean squared distance from features to codes that is the unit of `eta`."""


class PictureCoder:
    """The networks and the entropy model of one model, with the steps of encoding and decoding."""

    def __init__(
        self, model: FrozenModel, device: torch.device, tile: TileSize = "auto", precision: PicturePrecision = "float32"
    ) -> None:
        """Create a coder of one model.

        Args:
            model: frozen.
            device: device of the picture networks; the entropy model always runs on the CPU.
            tile: side in pixels of the largest part of a picture that the picture networks process at once; "auto" cuts
                large pictures.
            precision: of the picture networks: "float32", "bfloat16", or "auto", which is bfloat16 on processors that
                multiply it, about 1.4 times as fast.

        Raises:
            ConfigError: the tile is no valid size, or too small for the margin that the networks read; or there is no
                such precision.
        """
        self.config: ModelConfig = model.config
        self.name, self.card, self.fingerprint = model.config.name, model.card, model.fingerprint
        self.proxy_fingerprint = model.proxy.fingerprint if model.proxy else None
        self.device = device
        self.networks: PictureModel = model.picture_model(device)
        use_bf16(self.networks, precision, device)
        self._tiled = TiledNetworks(self.networks, device, tile)
        self._entropy = model.entropy_model()

    @torch.inference_mode()
    def analyse(self, image: PictureSource) -> Analysed:
        """Compute the values of a picture that do not depend on the operating point.

        Raises:
            PictureError: the picture cannot be read.
        """
        pixels = read_picture(image)
        density = cache(partial(picture_density, self.config, pixels))
        return Analysed(pixels, density, self._tiled.features(pixels), self.networks.quantiser.codebook)

    def order_cells(self, picture: Analysed, ratios: Ratios, weights: NDArray[np.float32] | None = None) -> Masks:
        """Choose the granularity map by information density.

        Args:
            picture: analysed.
            ratios: (fine, medium, coarse) shares of the area, sum 1.
            weights: (H, W), at least 0; the density of a cell is multiplied by their mean over the cell; None for 1
                everywhere.

        Raises:
            ValueError: the ratios are not shares that sum to 1.
        """
        density = picture.density
        if weights is not None:
            density = density.weighted(pad_to_cells(torch.from_numpy(weights)[None, None])[:, 0])
        found = order_cells(self.config, density, [check_ratios(ratios)])
        return Masks(*(found[g][0, 0].numpy() for g in GRANULARITIES))

    @torch.inference_mode()
    def quantise(self, picture: Analysed, masks: Masks) -> Encoded:
        """Encode the picture with the nearest code for every cell of a map."""
        encoded = self._choose_codes(picture, masks)
        footprint = self.config.entropy.z_footprint
        on_device = GranularityMap(*(torch.from_numpy(masks[g]).to(self.device)[None, None] for g in GRANULARITIES))
        z = {
            g: (values.round() * sent_positions(on_device[g], footprint))[0].long().cpu().numpy()
            for g, values in self._tiled.hyper_latents(picture.features, on_device).items()
        }
        return replace(encoded, z=z if encoded.means is None else {**z, MEANS: encoded.means})

    def _choose_codes(self, picture: Analysed, masks: Masks) -> Encoded:
        """As `quantise`, without hyper-latents, which a file needs, and a decoder that reads the prior."""
        indices = {
            g: picture.nearest(g, torch.from_numpy(masks[g]).to(self.device)).cpu().numpy() for g in GRANULARITIES
        }
        means = picture.features[MEANS][0].long().cpu().numpy() if MEANS in picture.features else None
        return Encoded(picture.width, picture.height, masks, indices, {}, means=means)

    def try_out(self, picture: Analysed, masks: Masks, *, eta: float = 0.0, coding: str = "adaptive") -> Trial:
        """Encode the picture at an operating point and estimate the size of its file.

        Args:
            picture: analysed.
            masks: its granularity map.
            eta: weight of a bit in the choice of an index, in units of the mean squared distance from the features to
                their nearest codes; 0 chooses the nearest codes.
            coding: mode whose bits are counted.
        """
        check_coding(coding)
        encoded = self.quantise(picture, masks)
        z, model = encoded.z, self._entropy
        encoder = RangeEncoder() if coding == "adaptive" else None
        sink, parts = encoder or BitCounter(), dict[str, float]()
        if coding in RANGE_CODED:
            parts = model.side_information(sink, masks, model.hyper_latents.sent(masks, z, coding), mode=coding)
        if eta:
            priced = choose(model, masks, z, self._weighed_choice(picture, encoded, eta), mode=coding, sink=sink)
        else:
            priced = price(model, masks, z, encoded.indices, mode=coding, sink=sink)
        encoded = replace(encoded, indices=priced.indices)
        if coding not in RANGE_CODED:
            return Trial(encoded, self.write(encoded, coding=coding).parts)
        parts |= {g: float(priced.bits[g].sum()) for g in GRANULARITIES}
        if encoder:
            coded = EncodedPicture((encoder.finish(),), sum(parts.values()), dict(parts))
            encoded = replace(encoded, coded=coded)
        parts["container"] = 8.0 * len(pack(self._header(encoded, coding), (b"",)))
        return Trial(encoded, parts)

    def _weighed_choice(self, picture: Analysed, encoded: Encoded, eta: float) -> WeighedChoice:
        found = {g: torch.from_numpy(encoded.masks[g]).to(self.device) for g in GRANULARITIES}
        y = {g: picture.rows(g, found[g]).cpu() for g in GRANULARITIES}
        codebook = self.networks.quantiser.codebook.cpu()
        squares = [((y[g] - codebook[torch.from_numpy(encoded.indices[g])]) ** 2).sum(1) for g in GRANULARITIES]
        scale = float(torch.cat(squares).mean().clamp(min=SMALLEST_SCALE))
        return WeighedChoice(y, codebook, eta * scale)

    def write(
        self, encoded: Encoded, *, coding: str = "adaptive", tagged: Mapping[str, bytes] | None = None
    ) -> Written:
        """Write the file of an encoded picture in one coding mode, with tagged sections if there are any.

        Raises:
            ConfigError: the coding mode is unknown.
            ValueError: the picture was read from a file without the hyper-latents that this mode needs.
        """
        check_coding(coding)
        found = encoded.coded if coding == "adaptive" else None
        if found is None:
            found = self._entropy.encode(encoded.masks, encoded.indices, encoded.z, mode=coding)
        data = pack(self._header(encoded, coding), found.sections, tagged)
        container = 8 * len(data) - sum(found.parts.values())
        return Written(data, found.estimated_bits, {**found.parts, "container": container})

    def cell_bits(self, encoded: Encoded, *, coding: str = "adaptive") -> dict[str, NDArray[np.float64]]:
        """Bits of each index in a coding mode, (N_g,) per granularity; arguments and errors as in `write`."""
        check_coding(coding)
        return price(self._entropy, encoded.masks, encoded.z, encoded.indices, mode=coding).bits

    def symbol_bits(self, encoded: Encoded) -> dict[str, NDArray[np.float64]]:
        """Bits of each symbol of the adaptive mode, which sum to `Written.estimated_bits`.

        Returns:
            of "map" and "z", (N,) in coding order, and of each granularity, see `cell_bits`.
        """
        recorder, model = BitRecorder(), self._entropy
        model.map_coder.encode(recorder, encoded.masks)
        told = {"map": recorder.finish()}
        z = model.hyper_latents.sent(encoded.masks, encoded.z, "adaptive")
        model.hyper_latents.encode(recorder, encoded.masks, z, "adaptive")
        return {**told, "z": recorder.finish(), **self.cell_bits(encoded)}

    def read(self, data: bytes, *, max_pixels: int = MAX_PIXELS, moments: bool = False) -> Encoded:
        """Read the integers of a file.

        Args:
            data: the whole file.
            max_pixels: largest accepted picture, width times height; time and memory grow with the size in the header.
            moments: whether to compute the moments of the codes under the index prior, for an adaptively coded file.

        Raises:
            BitstreamError: the bytes are no complete file, or a file of another model (`ModelMismatch`).
        """
        container = unpack(data, max_pixels=max_pixels)
        header = container.header
        self.check_fingerprint(header)
        grid = header.grid_height, header.grid_width, header.n_coarse, header.n_medium
        codebook = self.networks.quantiser.codebook.cpu().numpy() if moments else None
        found = self._entropy.decode(*grid, container.sections, mode=header.mode, codebook=codebook)
        size = header.width, header.height
        return Encoded(
            *(*size, found.masks, found.indices, found.z),
            parameters=found.parameters,
            moments=found.moments,
            means=found.z.get(MEANS),
        )

    def check_fingerprint(self, header: Header) -> None:
        """Raise `ModelMismatch` for a file of another model."""
        if header.fingerprint != self.fingerprint:
            raise ModelMismatch(
                f"the stream was made with a model of fingerprint {header.fingerprint.hex()}, "
                f"{self.name} has {self.fingerprint.hex()}; name the file of the model that made it"
            )

    def decoder_parameters(self, encoded: Encoded) -> dict[str, NDArray[np.float32]] | None:
        """The index prior's parameters, (P, N_g) each, if the picture decoder reads them; else None."""
        if encoded.parameters is None and self.config.backbone.decoder_prior:
            return self._entropy.parameters(encoded.masks, encoded.indices, encoded.z)
        return encoded.parameters

    def reconstruct(self, encoded: Encoded) -> Image.Image:
        """Decode the picture of an encoded one."""
        return Image.fromarray(self._decode(encoded, self.decoder_parameters(encoded)))

    @torch.inference_mode()
    def approximate(self, picture: Analysed, masks: Masks) -> NDArray[np.uint8]:
        """Pixels (H, W, 3) of a picture at a map, about as `quantise` and `reconstruct` give them, by the proxy.

        With a model that has none, they are exactly those.
        """
        if self.networks.proxy is None:
            encoded = self.quantise(picture, masks)
            return self._decode(encoded, self.decoder_parameters(encoded))
        return self._decode(self._choose_codes(picture, masks), by_proxy=True)

    def _decode(
        self, encoded: Encoded, parameters: dict[str, NDArray[np.float32]] | None = None, *, by_proxy: bool = False
    ) -> NDArray[np.uint8]:
        masks = {g: encoded.masks[g] for g in GRANULARITIES}
        height, width = encoded.height, encoded.width
        return self._tiled.reconstruct(
            encoded.indices, masks, parameters, encoded.means, height=height, width=width, by_proxy=by_proxy
        )

    def _header(self, encoded: Encoded, coding: str) -> Header:
        counts = encoded.masks.count("coarse"), encoded.masks.count("medium")
        return Header(self.fingerprint, coding, encoded.width, encoded.height, *counts)


def check_coding(coding: str) -> None:
    """Raise `ConfigError` for an unknown coding mode."""
    if coding not in MODES:
        raise ConfigError(f"coding {coding!r} is unknown; use one of {', '.join(MODES)}")
