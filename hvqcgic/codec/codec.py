"""Codec: picture -> bytes -> picture, for users of the package."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from os import PathLike, fsdecode
from pathlib import Path
from typing import Any, BinaryIO, Unpack

import torch
from PIL import Image

from hvqcgic.bitstream import MAX_PIXELS, read_fingerprint
from hvqcgic.codec.file_metadata import check_metadata, size_of, with_metadata, without
from hvqcgic.codec.forks import LOADING
from hvqcgic.coder import Encoded, Preview, ReverseCoder, TileSize, Written, check_coding
from hvqcgic.errors import ConfigError, KindError, PictureWarning
from hvqcgic.files import MAX_STREAM_BYTES, read_stream
from hvqcgic.model_files import FrozenModel, bundled_name, check_offered, read_model
from hvqcgic.models import PicturePrecision
from hvqcgic.pictures import Metadata, PictureSource, content_of, read_original
from hvqcgic.rate_control import Choices, OperatingPoint, Progress, Reached, check_choices, reach

StreamSource = bytes | bytearray | memoryview | str | PathLike[str] | BinaryIO


@dataclass(frozen=True)
class Compressed:
    """A picture in its file, and the search result for its operating point."""

    reached: Reached
    written: Written


class Codec(ReverseCoder):
    """One model, ready to compress and decompress; created by `hvqcgic.load`.

    A file that was made with another bundled or retired model is decompressed with that model. A codec may be used by
    several threads at a time, after a fork, and in other processes as a pickled copy.
    """

    def __init__(
        self, model: FrozenModel, device: torch.device, tile: TileSize = "auto", precision: PicturePrecision = "float32"
    ) -> None:
        """See `PictureCoder`; other models are loaded when a file of theirs is decompressed."""
        super().__init__(model, device, tile, precision)
        self._precision: PicturePrecision = precision
        self._others: dict[bytes, Codec] = {}
        # What pickling needs; a model from a file is read again for it.
        self._unfiled = model if model.source is None else None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the model itself, so that the copy needs no file."""
        model = self._unfiled or read_model(self._source or self.name)
        return type(self), (model, self.device, self._tile, self._precision)

    def compress(
        self, image: PictureSource, *, coding: str = "adaptive", metadata: str = "drop", **choices: Unpack[Choices]
    ) -> bytes:
        """Compress a picture to the bytes of a `.hvq` file.

        Args:
            image: a path, the bytes of a picture file, a binary file object, a Pillow image; or, in sRGB, an array
                (H, W), (H, W, 3) or (H, W, 4), or a tensor (3, H, W), of uint8, uint16, or floats from 0 to 1.
            coding: one of `hvqcgic.bitstream.container.MODES`.
            metadata: "keep" puts EXIF, XMP, the resolution and a colour profile wider than sRGB into the file; "drop"
                leaves them out, with a warning.
            choices: the operating point, by the fields of `OperatingPoint`: one of ratios=(0.5, 0.4, 0.1), bpp=0.25,
                max_bytes=12000, target="lpips=0.08" or quality=60 (0 to 100); and eta, refine, granularity, roi, clamp.
                Without choices, the model's default ratios are used.

        Raises:
            KindError: the picture, or a region, is of another kind; the message says what is taken.
            PictureError: the picture cannot be read.
            ConfigError: an option is unknown or not allowed.
            ModelError: the model is retired: it only decompresses.
            Unreachable: this picture cannot have the size or quality.
        """
        check_metadata(metadata)
        point = check_choices(lambda: self.config, **choices)
        found = read_original(image, keep=metadata == "keep")
        if found.lost:
            warnings.warn(f"{_name_of(image)}: {found.lost}", PictureWarning, stacklevel=2)
        return self.compress_at(found.pixels, point, coding=coding, metadata=found.metadata).written.data

    def compress_at(
        self,
        image: PictureSource,
        point: OperatingPoint,
        *,
        coding: str = "adaptive",
        metadata: Metadata | None = None,
        progress: Progress | None = None,
    ) -> Compressed:
        """Compress a picture at an operating point; errors as in `compress`.

        Args:
            image: see `compress`.
            point: the operating point; a bit rate or size is that of the whole file, with its metadata.
            coding: see `compress`.
            metadata: to put into the file; those of the picture are not read here.
            progress: gets refinement steps.
        """
        self._check_encoding(coding)
        picture = self.analyse(image)
        tagged = metadata.sections() if metadata else {}
        point = without(point, size_of(tagged), picture.width * picture.height)
        limit = None if point.max_bytes is None else point.max_bytes + size_of(tagged)
        while True:
            reached = reach(self, picture, point, coding=coding, progress=progress)
            written = self.write(reached.encoded, coding=coding, tagged=tagged)
            if limit is None or len(written.data) <= limit:
                return Compressed(reached, written)
            # The search used an estimate of the size; search again for a limit reduced by the error of the estimate.
            assert point.max_bytes is not None
            point = replace(point, max_bytes=point.max_bytes - (len(written.data) - limit))

    def encode(self, image: PictureSource, *, coding: str = "adaptive", **choices: Unpack[Choices]) -> Encoded:
        """Compute the integers of a picture's file; arguments and errors as in `compress`."""
        self._check_encoding(coding)
        return reach(self, self.analyse(image), check_choices(lambda: self.config, **choices), coding=coding).encoded

    def _check_encoding(self, coding: str) -> None:
        check_coding(coding)
        if self._source is not None:
            check_offered(self._source)

    def for_file(self, data: bytes) -> Codec:
        """Return the codec that decompresses a file: that of the bundled or retired model that made it, else this one.

        Args:
            data: the file, or its first part.

        Raises:
            BitstreamError: the bytes do not start as a `.hvq` file.
            ModelError: the file of the other model is damaged.
        """
        fingerprint = read_fingerprint(data)
        if fingerprint == self.fingerprint:
            return self
        with LOADING:
            if fingerprint not in self._others:
                name = bundled_name(fingerprint)
                if name is None:
                    return self
                self._others[fingerprint] = Codec(read_model(name), self.device, self._tile, self._precision)
            return self._others[fingerprint]

    def reverse(self, data: bytes, **options: Any) -> Image.Image:
        """See `ReverseCoder.reverse`; with the model that made the file, see `for_file`."""
        codec = self.for_file(data)
        if codec is not self:
            return codec.reverse(data, **options)
        return with_metadata(super().reverse(data, **options), data)

    def preview(self, data: bytes, **options: Any) -> Preview:
        """See `PreviewCoder.preview`; with the model that made the file, see `for_file`."""
        codec = self.for_file(data)
        if codec is not self:
            return codec.preview(data, **options)
        seen = super().preview(data, **options)
        return replace(seen, picture=with_metadata(seen.picture, data)) if seen.checked else seen

    def decompress(
        self,
        data: StreamSource,
        steps: int = 0,
        randomness: float = 1.0,
        seed: int = 0,
        *,
        max_passes: int | None = None,
        partial: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> Image.Image:
        """Decompress a `.hvq` file to a picture; its `info` has the metadata of the file.

        Args:
            data: the bytes of the file, its path, or a binary file object.
            steps: steps of the reverse path, for more natural texture; 0 for the plain decoder, see `reverse`.
            randomness: factor of the noise between steps, see `reverse`.
            seed: of the noise, see `reverse`.
            max_passes: read only this number of passes and complete the picture, see `preview`; None for all.
            partial: accept an incomplete file, see `preview`.
            max_pixels: largest accepted picture, width times height.

        Raises:
            KindError: the data are of another kind.
            BitstreamError, ConfigError, ModelError: as in `reverse` and `preview`.
        """
        data = _bytes_of(data)
        if max_passes is None and not partial:
            return self.reverse(data, steps=steps, randomness=randomness, seed=seed, max_pixels=max_pixels)
        if steps:
            raise ConfigError(f"{steps} steps of the reverse path need a whole file; a preview takes 0")
        return self.preview(data, max_passes=max_passes, partial=partial, max_pixels=max_pixels).picture


def _name_of(image: PictureSource) -> str:
    return str(image) if isinstance(image, str | PathLike) else "picture"


def _bytes_of(source: StreamSource) -> bytes:
    """The bytes of a `.hvq` file that is given as bytes, path or file object."""
    if isinstance(source, bytes):
        return source
    if isinstance(source, str | PathLike):
        # Absolute, because commands alone mean standard input by "-".
        return read_stream(Path(fsdecode(source)).absolute())
    data = content_of(source, MAX_STREAM_BYTES)
    if data is None:
        raise KindError(
            f"{type(source).__name__} is no .hvq file: expected its bytes, its path, or a binary file object"
        )
    return data


def load(
    name_or_path: str | Path = "tiny",
    device: str = "auto",
    *,
    tile: TileSize = "auto",
    precision: PicturePrecision = "float32",
) -> Codec:
    """Load the codec of a bundled model by its name, or of a model file by its path.

    Args:
        name_or_path: such as "tiny" or "runs/mine.safetensors".
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", "mps" ...
        tile: side in pixels of the largest part of a picture that the networks process at once; a smaller part needs
            less memory and more time, with the same result; "auto" cuts pictures of more than five megapixels.
        precision: of the picture networks: "float32", "bfloat16", or "auto", which commands use: bfloat16 on processors
            that multiply it, about 1.4 times as fast, and float32 elsewhere. A file decodes to the same integers in
            both, and to pictures that differ by 0.1 of 255 in the mean, by 2 at most. An encoder in bfloat16 chooses
            about one index of a hundred otherwise, at the same size and quality to some 0.01 dB.

    Raises:
        ModelError: there is no such model, or its file is damaged.
        ConfigError: there is no such device or precision, or the tile is too small.
    """
    return Codec(read_model(name_or_path), _find_device(device), tile, precision)


def _find_device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device {name!r} is unknown; use auto, cpu, cuda, cuda:1, mps ...") from error
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0]
        raise ConfigError(f"device {name!r} cannot be used ({why}); use cpu or auto") from error
    return device
