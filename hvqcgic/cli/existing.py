"""`--skip-existing`: find results of an earlier run that are complete and fit the request.

A damaged result is made again. A complete result of another kind, for example of another model, might be needed and is
replaced only with `--force`.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from hvqcgic.bitstream import Header, unpack
from hvqcgic.errors import BitstreamError, Checksum, OutputExists, Truncated
from hvqcgic.files import read_stream, reason

OTHER_RATE = 0.1
OTHER_RATE_BYTES = 64
"""Tolerance between a file and a requested bit rate. Targets are met more closely, except for unusual pictures."""
INDICES_OF_A_CELL = 16
"""Largest number of indices of a square of 16 px."""


@dataclass(frozen=True)
class Wanted:
    """The properties of a request that a file stores; None for a property that is not requested.

    Attributes:
        fingerprint: of the model.
        coding: mode.
        ratios: (fine, medium, coarse).
        bpp: bits per pixel of the file.
        max_bytes: most bytes of the file.
        by_distortion: whether cells are chosen by distortion: they then have as many indices as the ratios give, and
            other ratios.
    """

    fingerprint: bytes
    coding: str
    ratios: tuple[float, float, float] | None = None
    bpp: float | None = None
    max_bytes: int | None = None
    by_distortion: bool = False

    def differs(self, header: Header, n_bytes: int) -> str:
        """Describe the first property in which a file differs from the request; "" if there is none."""
        if header.fingerprint != self.fingerprint:
            return f"was made with another model, of fingerprint {header.fingerprint.hex()}"
        if header.mode != self.coding:
            return f"is coded {header.mode}"
        if self.ratios and self._has_other_cells(header, self.ratios):
            return f"has ratios {','.join(f'{share:.3f}' for share in header.ratios)}"
        if self.max_bytes is not None and n_bytes > self.max_bytes:
            return f"has {n_bytes} bytes"
        n_pixels = header.width * header.height
        if self.bpp is not None:
            wanted = self.bpp * n_pixels / 8
            if abs(n_bytes - wanted) > max(OTHER_RATE * wanted, OTHER_RATE_BYTES):
                return f"has {8 * n_bytes / n_pixels:.4f} bpp"
        return ""

    def _has_other_cells(self, header: Header, ratios: tuple[float, float, float]) -> bool:
        """Whether the cells of a file are not those of the ratios; counts of cells are rounded."""
        if self.by_distortion:
            asked = header.grid_cells * sum(n * share for n, share in zip((16, 4, 1), ratios, strict=True))
            found = header.n_fine + header.n_medium + header.n_coarse
            return abs(found - asked) > 2 * INDICES_OF_A_CELL
        pairs = zip(header.ratios, ratios, strict=True)
        return any(abs(found - asked) * header.grid_cells > 1 for found, asked in pairs)


@dataclass(frozen=True)
class ExistingStream:
    """A `.hvq` file that can be kept."""

    header: Header
    n_bytes: int


def existing_stream(picture: Path, result: Path, wanted: Wanted, *, force: bool) -> ExistingStream | None:
    """Return the file that an earlier run made from a picture; None if it must be made or replaced.

    The file has a correct CRC-32, fits the request, has the picture's size, and is not older than the picture.

    Raises:
        OutputExists: a complete file of another kind exists, and `force` is not set.
        BitstreamError: the file cannot be read.
    """
    if not os.path.exists(result):
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
    # The stored size of an upright picture may be rotated.
    if not why and sorted(size) != sorted((header.width, header.height)):
        why = f"is of a picture of {header.width} x {header.height} pixels"
    return _refuse(result, why, force=force) if why else ExistingStream(header, len(data))


def existing_picture(stream: Path, result: Path, *, force: bool) -> ExistingStream | None:
    """Return the `.hvq` file if its decoded picture exists; None if it must be decoded, or the picture replaced.

    The picture can be read to its end, has the size that the `.hvq` file states, and is not older than the `.hvq` file.

    Raises:
        OutputExists: a complete file of another kind exists, and `force` is not set.
        BitstreamError: the `.hvq` file is damaged.
    """
    from PIL import Image, UnidentifiedImageError

    if not os.path.exists(result):
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
        # Pillow's readers may raise almost any exception for a damaged file.
        return None
    why = _is_older(result, stream)
    if (size, mode) != ((header.width, header.height), "RGB"):
        why = f"is another picture, {mode} of {size[0]} x {size[1]} pixels"
    return _refuse(result, why, force=force) if why else ExistingStream(header, len(data))


def _size_of(picture: Path) -> tuple[int, int] | None:
    """Width and height as stored; None for a file that is no picture, which fails later when it is read."""
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
