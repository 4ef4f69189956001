"""Bits of a sample of a picture file, which Pillow's 8-bit modes do not tell."""

from __future__ import annotations

import re
from typing import Any

from PIL import Image

from hvqcgic.errors import PictureError

BITS = 8
"""Bits of a sample that is read."""
START_BYTES = 1 << 20
"""Bytes at the start of a file within which AVIF and JPEG 2000 state the bits of their samples."""
TIFF_BITS = 258
"""Tag of a TIFF file."""


def sample_bits(image: Image.Image) -> int:
    """Bits of a sample of an opened Pillow image whose pixels are not read yet; 8 where nothing says more."""
    readers = {"TIFF": _tiff_bits, "AVIF": _avif_bits, "JPEG2000": _jpeg_2000_bits}
    try:
        stated = readers[image.format](image) if image.format in readers else 0
    except Exception:
        # Readers of Pillow may raise almost any exception for a damaged header; reading the pixels then says so.
        stated = 0
    return stated if stated > BITS else _mode_bits(image)


def depth_factor(image: Image.Image) -> int:
    """Factor from an image's values to 16 bits: 16 for TIFF files of 12 bits, whose values Pillow does not scale."""
    return 16 if "I;12" in map(_raw_mode, getattr(image, "tile", ())) else 1


def refuse_misread(image: Image.Image, name: str) -> None:
    """Raise `PictureError` for TIFF files of 16 bits whose colours are apart, which Pillow reads as of 8 bits."""
    apart = any(len(_raw_mode(tile)) == 1 for tile in getattr(image, "tile", ()))
    if image.format == "TIFF" and apart and _tiff_bits(image) > BITS:
        raise PictureError(
            f"{name}: {_tiff_bits(image)} bits a sample with each colour apart are not read right; save it with the "
            "colours of a pixel together, or with 8 bits"
        )


def _raw_mode(tile: Any) -> str:
    """Pillow's name for how samples are stored; "" if the decoder has another argument."""
    arguments = tile[3]
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def _mode_bits(image: Image.Image) -> int:
    """Bits by the mode, or by how the pixels are going to be read."""
    # A tile is (decoder, region, offset, arguments); the arguments of PPM end with the largest value.
    for decoder, _, _, arguments in getattr(image, "tile", ()):
        if decoder.startswith("ppm"):
            return max(BITS, int(arguments[-1]).bit_length())
        if ";16" in str(arguments):
            return 16
    if image.mode == "I" or image.mode.startswith("I;16"):
        return 16
    if image.mode == "F" and image.format:
        return 32
    return BITS


def _tiff_bits(image: Any) -> int:
    return max(image.tag_v2.get(TIFF_BITS) or (1,))


def _avif_bits(image: Image.Image) -> int:
    """From the configuration of AV1: one marker byte, profile and level, then flags (ISO BMFF binding, 2.3.3)."""
    found = [flags[0] for flags in re.findall(rb"av1C\x81.(.)", _start_of(image), re.DOTALL)]
    return max(8 + (2 + 2 * bool(flags & 0x20) if flags & 0x40 else 0) for flags in found)


def _jpeg_2000_bits(image: Image.Image) -> int:
    """From marker SIZ, which is the first of a codestream: of each component, bits less 1, with a sign on top."""
    start = _start_of(image)
    place = start.index(b"\xff\x4f\xff\x51") + 40
    count = int.from_bytes(start[place : place + 2], "big")
    return max((bits & 0x7F) + 1 for bits in start[place + 2 : place + 2 + 3 * count : 3])


def _start_of(image: Any) -> bytes:
    """First bytes of the file of an image; the file's position stays."""
    file = image.fp
    place = file.tell()
    file.seek(0)
    start = file.read(START_BYTES)
    file.seek(place)
    return start
