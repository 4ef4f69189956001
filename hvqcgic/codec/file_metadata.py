"""Metadata of a picture in its `.hvq` file: how many bytes they take, and how they come back."""

from __future__ import annotations

from dataclasses import replace

from PIL import Image

from hvqcgic.bitstream import Header, pack, unpack
from hvqcgic.errors import ConfigError
from hvqcgic.pictures import metadata_in
from hvqcgic.rate_control import OperatingPoint

METADATA_CHOICES = ("drop", "keep")


def check_metadata(choice: str) -> None:
    """Raise `ConfigError` for an unknown choice of metadata."""
    if choice not in METADATA_CHOICES:
        raise ConfigError(f"metadata {choice!r} is unknown; use one of {', '.join(METADATA_CHOICES)}")


def size_of(tagged: dict[str, bytes]) -> int:
    """Bytes that tagged sections add to a file."""
    header = Header(bytes(8), "adaptive", 1, 1, 1, 0)
    return len(pack(header, (b"",), tagged)) - len(pack(header, (b"",))) if tagged else 0


def without(point: OperatingPoint, n_bytes: int, n_pixels: int) -> OperatingPoint:
    """An operating point for a file that n_bytes are added to.

    Raises:
        ConfigError: they are more than the whole file may have.
    """
    bpp, most = point.bpp, point.max_bytes
    allowed = most if most is not None else None if bpp is None else bpp * n_pixels / 8
    if not n_bytes or allowed is None:
        return point
    if n_bytes >= allowed:
        raise ConfigError(f"the metadata have {n_bytes} of the file's {allowed:.0f} bytes; drop them, or allow more")
    if most is not None:
        return replace(point, max_bytes=most - n_bytes)
    assert bpp is not None
    return replace(point, bpp=bpp - 8 * n_bytes / n_pixels)


def with_metadata(picture: Image.Image, data: bytes) -> Image.Image:
    """Put the metadata of a whole `.hvq` file into the `info` of its picture."""
    picture.info.update(metadata_in(unpack(data).tagged).info())
    return picture
