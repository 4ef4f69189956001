"""`--skip-existing`: which results of an earlier run are whole and as asked for.

A result that is damaged is made anew. One that is whole but something else, of another model for example, might be
wanted: it is only replaced with `--force`.
"""

from dataclasses import dataclass
from pathlib import Path

from hvqcgic.bitstream import Header, unpack
from hvqcgic.errors import BitstreamError, Checksum, OutputExists, Truncated
from hvqcgic.files import read_stream, reason

OTHER_RATE = 0.1
OTHER_RATE_BYTES = 64
"""How far a file is from a wanted rate that was not made for it. Rates are met far better, but for odd pictures."""


@dataclass(frozen=True)
class Wanted:
    """What can be read off a stream, as it is asked for; None for what is left open.

    Attributes:
        fingerprint: of the model.
        coding: mode.
        ratios: (fine, medium, coarse).
        bpp: bits per pixel of the file.
        max_bytes: most bytes of the file.
    """

    fingerprint: bytes
    coding: str
    ratios: tuple[float, float, float] | None = None
    bpp: float | None = None
    max_bytes: int | None = None

    def differs(self, header: Header, n_bytes: int) -> str:
        """In what a stream differs, in words; "" if in nothing."""
        if header.fingerprint != self.fingerprint:
            return f"was made with another model, of fingerprint {header.fingerprint.hex()}"
        if header.mode != self.coding:
            return f"is coded {header.mode}"
        # Counts of cells are rounded, and what coarse cells leave limits the medium ones.
        if self.ratios and any(
            abs(found - asked) * header.grid_cells > 1 for found, asked in zip(header.ratios, self.ratios, strict=True)
        ):
            return f"has ratios {','.join(f'{share:.3f}' for share in header.ratios)}"
        if self.max_bytes is not None and n_bytes > self.max_bytes:
            return f"has {n_bytes} bytes"
        n_pixels = header.width * header.height
        if self.bpp is not None:
            wanted = self.bpp * n_pixels / 8
            if abs(n_bytes - wanted) > max(OTHER_RATE * wanted, OTHER_RATE_BYTES):
                return f"has {8 * n_bytes / n_pixels:.4f} bpp"
        return ""


@dataclass(frozen=True)
class ExistingStream:
    """A stream that need not be made again."""

    header: Header
    n_bytes: int


def existing_stream(picture: Path, result: Path, wanted: Wanted, *, force: bool) -> ExistingStream | None:
    """The stream that an earlier run made of a picture; None where it has to be made, over what is there if need be.

    It is whole by its CRC-32, as wanted, of the picture's size, and not older than the picture.

    Raises:
        OutputExists: there is a file that is whole but something else, and `force` is not set.
        BitstreamError: the file cannot be read.
    """
    if not result.exists():
        return None
    try:
        data = read_stream(result)
        header = unpack(data).header
    except (Truncated, Checksum):
        return None
    except BitstreamError as error:
        return _refuse(result, f"is no stream to go on with ({error})", force=force)
    size = _size_of(picture)
    if size is None:
        return None
    why = wanted.differs(header, len(data)) or _is_older(result, picture)
    # An upright picture may be stored lying.
    if not why and sorted(size) != sorted((header.width, header.height)):
        why = f"is of a picture of {header.width} x {header.height} pixels"
    return _refuse(result, why, force=force) if why else ExistingStream(header, len(data))


def existing_picture(stream: Path, result: Path, *, force: bool) -> ExistingStream | None:
    """The stream whose picture is there already; None where it has to be decoded, over what is there if need be.

    The picture can be read to its end, has the stream's size, and is not older than the stream.

    Raises:
        OutputExists: there is a file that is whole but something else, and `force` is not set.
        BitstreamError: the stream is damaged.
    """
    from PIL import Image, UnidentifiedImageError

    if not result.exists():
        return None
    data = read_stream(stream)
    header = unpack(data).header
    try:
        with Image.open(result) as image:
            image.load()
            size, mode = image.size, image.mode
    except UnidentifiedImageError:
        return _refuse(result, "is no picture", force=force) if result.stat().st_size else None
    except Exception:
        # A damaged file may make Pillow's readers raise almost anything.
        return None
    why = _is_older(result, stream)
    if (size, mode) != ((header.width, header.height), "RGB"):
        why = f"is another picture, {mode} of {size[0]} x {size[1]} pixels"
    return _refuse(result, why, force=force) if why else ExistingStream(header, len(data))


def _size_of(picture: Path) -> tuple[int, int] | None:
    """Width and height as stored; None of what is no picture, which is found out when it is read."""
    from PIL import Image

    try:
        with Image.open(picture) as image:
            return image.size
    except Exception:
        return None


def _is_older(result: Path, source: Path) -> str:
    try:
        older = result.stat().st_mtime_ns < source.stat().st_mtime_ns
    except OSError as error:
        return f"cannot be compared with {source}: {reason(error)}"
    return f"is older than {source}" if older else ""


def _refuse(result: Path, why: str, *, force: bool) -> None:
    if not force:
        raise OutputExists(f"{result}: exists already, and {why}; --force overwrites it")
