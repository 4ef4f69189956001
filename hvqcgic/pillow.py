"""`.hvq` files in Pillow: after `import hvqcgic.pillow`, `Image.open` reads them and `Image.save` writes them.

>>> import hvqcgic.pillow
>>> from PIL import Image
>>> Image.open("photo.jpg").save("photo.hvq", model="tiny", bpp=0.2)    # doctest: +SKIP
>>> picture = Image.open("photo.hvq")                                   # doctest: +SKIP
>>> picture.size, picture.info["model"], picture.info["ratios"]         # doctest: +SKIP

Opening reads and checks the file, which needs no model; pixels are decoded when they are first used. A model is loaded
once per process. As usual in Pillow, a bad file is an `OSError`, and a bad picture or option is a `ValueError`.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from PIL import Image, ImageFile

from hvqcgic.bitstream import MAGIC, unpack
from hvqcgic.errors import BitstreamError, HvqcgicError
from hvqcgic.model_files import bundled_name, find_model, read_summary
from hvqcgic.pictures import metadata_in

if TYPE_CHECKING:
    from hvqcgic.codec import Codec

__all__ = ["FORMAT", "MIME_TYPE", "HvqImageFile", "use_model"]

FORMAT = "HVQ"
MIME_TYPE = "image/x-hvq"
DEFAULT_MODEL = "tiny"
METADATA = ("exif", "xmp", "dpi", "icc_profile")
"""Options of `Image.save` that say what goes with the picture."""
OF_OTHER_FORMATS = (
    "optimize",
    "progressive",
    "subsampling",
    "compress_level",
    "lossless",
    "method",
    "save_all",
)
"""Options that programs give for any format; they change nothing here."""

_codecs: dict[bytes, Codec] = {}
"""Loaded codecs by fingerprint."""


def use_model(name_or_path: str | Path, *, device: str = "auto") -> None:
    """Load a model, so that its files can be opened; bundled models are loaded without this call.

    Args:
        name_or_path: as in `hvqcgic.load`.
        device: as in `hvqcgic.load`, for all further files of the model.

    Raises:
        ModelError: there is no such model, or its file is damaged.
        ConfigError: there is no such device.
    """
    from hvqcgic.codec import LOADING, load

    codec = load(name_or_path, device)
    with LOADING:
        _codecs[codec.fingerprint] = codec


class HvqImageFile(ImageFile.ImageFile):
    """An opened `.hvq` file.

    Its `info` has "model" (None for a model that is neither bundled nor loaded), "fingerprint", "coding", "ratios"
    (fine, medium, coarse), "cells" (number of each granularity), "bpp" and "version"; and "exif", "xmp", "icc_profile"
    and "dpi" if the file has them.
    """

    format = FORMAT
    format_description = "hvqcgic generative image codec"

    def _open(self) -> None:
        assert self.fp is not None
        data = self.fp.read()
        try:
            container = unpack(data)
        except BitstreamError as error:
            raise OSError(f"{self._label}{error}") from error
        header = container.header
        self._size = header.width, header.height
        self._mode = "RGB"
        self.info = {
            "model": _name_of(header.fingerprint),
            "fingerprint": header.fingerprint.hex(),
            "coding": header.mode,
            "ratios": header.ratios,
            "cells": (header.n_fine, header.n_medium, header.n_coarse),
            "bpp": 8 * len(data) / (header.width * header.height),
            "version": header.version,
            **metadata_in(container.tagged).info(),
        }
        # Pillow before 11 uses plain tuples here, and later versions accept them.
        self.tile = [("hvq", (0, 0, *self._size), 0, (self._label,))]  # pyright: ignore

    @property
    def _label(self) -> str:
        """Start of a message about the file."""
        name = self.filename.decode(errors="replace") if isinstance(self.filename, bytes) else self.filename
        return f"{name}: " if name else ""


class _Decoder(ImageFile.PyDecoder):
    """Decoder of a whole file; Pillow passes the bytes."""

    _pulls_fd = True

    def decode(self, buffer: Any) -> tuple[int, int]:
        """Set the pixels in one call."""
        assert self.fd is not None
        data = self.fd.read()
        try:
            picture = _find_codec(unpack(data).header.fingerprint).decompress(data)
        except HvqcgicError as error:
            raise OSError(f"{self.args[0]}{error}") from error
        self.set_as_raw(picture.tobytes())
        return -1, 0


def _name_of(fingerprint: bytes) -> str | None:
    codec = _codecs.get(fingerprint)
    return codec.name if codec else bundled_name(fingerprint)


def _find_codec(fingerprint: bytes) -> Codec:
    """Return the codec of a known or bundled model.

    Raises:
        BitstreamError: no such model has this fingerprint.
        ModelError: the model's file is damaged.
    """
    name = bundled_name(fingerprint)
    if name is None and fingerprint not in _codecs:
        raise BitstreamError(
            f"made with a model of fingerprint {fingerprint.hex()}, which is not bundled; "
            "give its file to hvqcgic.pillow.use_model"
        )
    return _load_once(fingerprint, name or "")


def _load_once(fingerprint: bytes, name_or_path: str | Path) -> Codec:
    from hvqcgic.codec import LOADING, load

    with LOADING:
        if fingerprint not in _codecs:
            _codecs[fingerprint] = load(name_or_path)
        return _codecs[fingerprint]


def _save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    """Write a picture; options are `model`, those of `Codec.compress`, and the metadata exif, xmp, dpi and icc_profile.

    Metadata that are given are kept; others of the image are kept with metadata="keep".

    Raises:
        UnknownOption: an option is another.
    """
    from hvqcgic.rate_control import Choices, refuse_unknown

    options: dict[str, Any] = {name: value for name, value in image.encoderinfo.items() if name not in OF_OTHER_FORMATS}
    refuse_unknown(options, ("model", "coding", "metadata", *METADATA, *Choices.__annotations__))
    model = options.pop("model", DEFAULT_MODEL)
    given = {name: options.pop(name) for name in METADATA if name in options}
    codec = _load_once(read_summary(find_model(model)).fingerprint, model)
    if given:
        image, keep = image.copy(), options.get("metadata") == "keep"
        image.info = (image.info if keep else {}) | {name: _as_info(value) for name, value in given.items()}
        options["metadata"] = "keep"
    file.write(codec.compress(image, **options))


def _as_info(value: Any) -> Any:
    return value.tobytes() if isinstance(value, Image.Exif) else value


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(MAGIC)


Image.register_open(FORMAT, HvqImageFile, _accept)
Image.register_decoder("hvq", _Decoder)
Image.register_save(FORMAT, _save)
Image.register_extension(FORMAT, ".hvq")
Image.register_mime(FORMAT, MIME_TYPE)
