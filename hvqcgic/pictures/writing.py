"""Writing pictures in the formats of Pillow, with the metadata that go with them."""

from __future__ import annotations

import io
import warnings
from typing import Any

from PIL import ExifTags, Image, PngImagePlugin

from hvqcgic.errors import PictureError, PictureWarning
from hvqcgic.files import reason

PILLOW_FORMATS = {
    ".png": "PNG",
    ".bmp": "BMP",
    ".ppm": "PPM",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".jp2": "JPEG2000",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WEBP",
    ".avif": "AVIF",
}
"""Pillow's formats by the suffixes in `hvqcgic.files.RESULT_SUFFIXES`."""
METADATA = ("exif", "xmp", "icc_profile", "dpi")
"""Entries of an image's `info` that are written."""
DEFAULT_QUALITY = 95
"""Quality of a second lossy compression, high, so that it adds little to the loss of the first."""


def encode_picture(image: Image.Image, suffix: str, *, quality: int | None = None) -> bytes:
    """Encode a picture file, with the EXIF, XMP, profile and resolution in the image's `info`.

    Args:
        image: the picture.
        suffix: one of `hvqcgic.files.RESULT_SUFFIXES`, in upper or lower case.
        quality: of JPEG, WebP and AVIF, 1 to 100; None for DEFAULT_QUALITY. Other formats are written without loss.

    Raises:
        PictureError: the format cannot hold the picture, or this Pillow cannot write the format.
    """
    kind = PILLOW_FORMATS[suffix.lower()]
    options = {"quality": DEFAULT_QUALITY if quality is None else quality} if kind in ("JPEG", "WEBP", "AVIF") else {}
    bare = image.copy()
    bare.info = {}
    if any(image.info.get(name) for name in METADATA):
        try:
            return _encode(bare, kind, options | _metadata_options(image.info, kind))
        except Exception as error:
            # Formats limit the size of metadata, and those of a foreign file may be anything.
            message = f"metadata left out, {kind} cannot hold them ({reason(error)})"
            warnings.warn(message, PictureWarning, stacklevel=2)
    try:
        return _encode(bare, kind, options)
    except Exception as error:
        size = f"{image.width} x {image.height} pixels"
        raise PictureError(f"{size} cannot be written as {kind}: {reason(error)}; use .png") from error


def _encode(image: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def _metadata_options(info: dict[Any, Any], kind: str) -> dict[str, Any]:
    """Arguments of Pillow's `save` for the metadata that a format has a place for."""
    options = {name: info[name] for name in METADATA if info.get(name)}
    if "xmp" in options and kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", options.pop("xmp").decode("utf-8", "replace"))
        options["pnginfo"] = text
    elif "xmp" in options and kind == "TIFF":
        block = Image.Exif()
        block.load(options.get("exif", b""))
        block[ExifTags.Base.XMLPacket] = options.pop("xmp")
        options["exif"] = block
    return options
