"""The `.hvq` container, format version 1.

    magic        3 bytes   b"HVQ"
    version      1 byte    1
    fingerprint  8 bytes   of the model that made the file
    flags        1 byte    bits 0-2 the coding mode, bit 3 "one section more", the rest 0
    width        varint    in pixels
    height       varint    in pixels
    n_coarse     varint    number of coarse cells of 16 x 16 px
    n_medium     varint    number of medium cells of 8 x 8 px in the rest
    sections               a varint with the length of each section but the last; then the sections in order
    CRC-32       4 bytes   little endian, over everything before it

The modes with one range-coded stream have one section. The others have two sections, raw map and indices, and a third
section for the hyper-latents (bit 3) if the model's decoder needs them in every mode.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from hvqcgic.bitstream.schedule import CELL_PX
from hvqcgic.bitstream.varint import decode_varint, encode_varint
from hvqcgic.errors import BadMagic, BitstreamError, Checksum, Truncated, UnsupportedVersion

MAGIC = b"HVQ"
BITSTREAM_VERSION = 1
FINGERPRINT_BYTES = 8
CRC_BYTES = 4
FIXED_BYTES = len(MAGIC) + 1 + FINGERPRINT_BYTES + 1
MIN_BYTES = FIXED_BYTES + 4 + CRC_BYTES

MODES = ("adaptive", "static-arithmetic", "static-huffman", "fixed-length", "zip")
"""Coding modes; the position of each is its number in the flags byte."""
SECTION_COUNTS = {
    "adaptive": (1,),
    "static-arithmetic": (1,),
    "static-huffman": (2, 3),
    "fixed-length": (2, 3),
    "zip": (2, 3),
}
MODE_BITS = 0b0111
EXTRA_SECTION_BIT = 0b1000

MAX_SIDE = 2**16
MAX_PIXELS = 2**29


@dataclass(frozen=True)
class Header:
    """The header of a file.

    Attributes:
        fingerprint: 8 bytes that identify the model.
        mode: one of MODES.
        width: in pixels, of the picture before padding, at least 1.
        height: in pixels, of the picture before padding, at least 1.
        n_coarse: number of coarse cells, 0 … grid_cells.
        n_medium: number of medium cells, 0 … 4 · (grid_cells − n_coarse); the rest is fine.
        version: format version.
    """

    fingerprint: bytes
    mode: str
    width: int
    height: int
    n_coarse: int
    n_medium: int
    version: int = BITSTREAM_VERSION

    @property
    def grid_height(self) -> int:
        """Rows of 16 x 16 cells that cover the picture."""
        return -(-self.height // CELL_PX["coarse"])

    @property
    def grid_width(self) -> int:
        """Columns of 16 x 16 cells that cover the picture."""
        return -(-self.width // CELL_PX["coarse"])

    @property
    def grid_cells(self) -> int:
        """Number of 16 x 16 cells that cover the picture."""
        return self.grid_height * self.grid_width

    @property
    def n_fine(self) -> int:
        """Number of fine cells, 4 x 4."""
        return 4 * (4 * (self.grid_cells - self.n_coarse) - self.n_medium)

    @property
    def ratios(self) -> tuple[float, float, float]:
        """Shares of the area in fine, medium and coarse cells."""
        cells = self.grid_cells
        return self.n_fine / (16 * cells), self.n_medium / (4 * cells), self.n_coarse / cells


@dataclass(frozen=True)
class Container:
    """The header of a file and the bytes of its sections."""

    header: Header
    sections: tuple[bytes, ...]


@dataclass(frozen=True)
class Start:
    """A file of the adaptive mode, or its first part.

    Attributes:
        header: of the file.
        section: the available bytes of its only section.
        section_begin: offset of the section in the file, in bytes.
        checked: whether the file is complete and its checksum is right.
    """

    header: Header
    section: bytes
    section_begin: int
    checked: bool


def pack(header: Header, sections: Sequence[bytes]) -> bytes:
    """Join header and sections to the bytes of a file.

    Args:
        header: the header.
        sections: one for the modes `adaptive` and `static-arithmetic`, two or three for the others.

    Raises:
        BitstreamError: the header contradicts itself or has another format version, or the number of sections does
            not fit the mode.
    """
    if header.version != BITSTREAM_VERSION:
        raise UnsupportedVersion(f"format version {header.version} cannot be written, only {BITSTREAM_VERSION}")
    if len(header.fingerprint) != FINGERPRINT_BYTES:
        raise BitstreamError(f"the fingerprint has {len(header.fingerprint)} bytes, not {FINGERPRINT_BYTES}")
    if header.mode not in MODES:
        raise BitstreamError(f"coding mode {header.mode!r} is unknown: one of {', '.join(MODES)}")
    counts = SECTION_COUNTS[header.mode]
    if len(sections) not in counts:
        raise BitstreamError(f"mode {header.mode} has {counts[0]} … {counts[-1]} sections, not {len(sections)}")
    _check_counts(header)
    flags = MODES.index(header.mode) | (EXTRA_SECTION_BIT if len(sections) > counts[0] else 0)
    numbers = (header.width, header.height, header.n_coarse, header.n_medium, *map(len, sections[:-1]))
    body = b"".join(
        (MAGIC, bytes((header.version,)), header.fingerprint, bytes((flags,)), *map(encode_varint, numbers), *sections)
    )
    return body + zlib.crc32(body).to_bytes(CRC_BYTES, "little")


def unpack(data: bytes, *, max_side: int = MAX_SIDE, max_pixels: int = MAX_PIXELS) -> Container:
    """Split a file into header and sections; every header value is checked before memory is allocated for it.

    Args:
        data: the whole file.
        max_side: largest accepted width and height, in pixels.
        max_pixels: largest accepted picture, width times height.

    Raises:
        BadMagic: the data are no `.hvq` file.
        UnsupportedVersion: their format version is not 1.
        Truncated: they are too short for a file.
        Checksum: they are damaged or incomplete.
        BitstreamError: a header value is impossible or above the limits.
    """
    check_start(data)
    if len(data) < MIN_BYTES:
        raise Truncated(f"the stream has {len(data)} bytes, at least {MIN_BYTES} are needed: it was cut short")
    body, stored = data[:-CRC_BYTES], int.from_bytes(data[-CRC_BYTES:], "little")
    computed = zlib.crc32(body)
    if computed != stored:
        raise Checksum(
            f"checksum {computed:08x} differs from the stored {stored:08x}: the stream is damaged or was cut short; "
            "get a fresh copy"
        )
    header, n_sections, position = _decode_header(body)
    _check_size(header, max_side=max_side, max_pixels=max_pixels)
    _check_counts(header)
    return Container(header, _split_sections(body, position, n_sections))


def unpack_start(data: bytes, *, partial: bool, max_side: int = MAX_SIDE, max_pixels: int = MAX_PIXELS) -> Start:
    """Split a file of the adaptive mode that may be incomplete.

    Args:
        data: the file, or its first part.
        partial: accept an incomplete file, which has no checksum; otherwise errors are those of `unpack`.
        max_side: largest accepted width and height, in pixels.
        max_pixels: largest accepted picture, width times height.

    Raises:
        BitstreamError: as in `unpack`, for the header; or the mode is not adaptive.
    """
    check_start(data)
    if partial and len(data) < MIN_BYTES:
        raise Truncated(f"{len(data)} bytes are less than a header, nothing can be shown of them yet")
    whole = len(data) >= MIN_BYTES and zlib.crc32(data[:-CRC_BYTES]).to_bytes(CRC_BYTES, "little") == data[-CRC_BYTES:]
    if not whole and not partial:
        unpack(data, max_side=max_side, max_pixels=max_pixels)
    # The last bytes of an incomplete file may be the first bytes of its checksum.
    body = data[:-CRC_BYTES]
    header, _, position = _decode_header(body)
    _check_size(header, max_side=max_side, max_pixels=max_pixels)
    _check_counts(header)
    if header.mode != "adaptive":
        raise BitstreamError(f"a stream coded {header.mode} has no passes to be read one by one; read it whole")
    return Start(header, body[position:], position, whole)


def check_start(data: bytes) -> None:
    """Check magic and version in the first four bytes.

    Raises:
        BadMagic: the data do not start with the magic.
        UnsupportedVersion: the format version is not 1.
        Truncated: there are fewer than four bytes, all correct.
    """
    start = bytes(data[: len(MAGIC)])
    if not data:
        raise Truncated("the file is empty: 0 bytes")
    if not MAGIC.startswith(start):
        raise BadMagic(f"not a .hvq stream: starts with {start!r}, expected {MAGIC!r}")
    if len(data) <= len(MAGIC):
        raise Truncated(f"the stream has {len(data)} bytes, at least {MIN_BYTES} are needed: it was cut short")
    version = data[len(MAGIC)]
    if version != BITSTREAM_VERSION:
        cure = "install a newer hvqcgic" if version > BITSTREAM_VERSION else "the stream is damaged"
        raise UnsupportedVersion(f"format version {version} is unknown, this hvqcgic reads {BITSTREAM_VERSION}: {cure}")


def _decode_header(body: bytes) -> tuple[Header, int, int]:
    """Read the header; return it, the number of sections and the offset of the next byte."""
    flags = body[FIXED_BYTES - 1]
    number = flags & MODE_BITS
    if number >= len(MODES) or flags & ~(MODE_BITS | EXTRA_SECTION_BIT):
        raise BitstreamError(f"flags {flags:#04x} name no coding mode of format version {BITSTREAM_VERSION}")
    mode = MODES[number]
    n_sections = SECTION_COUNTS[mode][0] + (1 if flags & EXTRA_SECTION_BIT else 0)
    if n_sections not in SECTION_COUNTS[mode]:
        raise BitstreamError(f"flags {flags:#04x} ask for {n_sections} sections, mode {mode} has one")
    position = FIXED_BYTES
    width, position = decode_varint(body, position, what="width")
    height, position = decode_varint(body, position, what="height")
    n_coarse, position = decode_varint(body, position, what="count of coarse cells")
    n_medium, position = decode_varint(body, position, what="count of medium cells")
    fingerprint = bytes(body[FIXED_BYTES - 1 - FINGERPRINT_BYTES : FIXED_BYTES - 1])
    return Header(fingerprint, mode, width, height, n_coarse, n_medium), n_sections, position


def _check_size(header: Header, *, max_side: int, max_pixels: int) -> None:
    """Check the picture's size.

    Raises:
        BitstreamError: a side or the number of pixels is above its limit.
    """
    size = f"the header declares {header.width} x {header.height} pixels"
    if max(header.width, header.height) > max_side:
        raise BitstreamError(f"{size}: more than {max_side} a side is not read")
    if header.width * header.height > max_pixels:
        raise BitstreamError(f"{size}: more than {max_pixels} in all are not read")


def _check_counts(header: Header) -> None:
    """Check that the picture is not empty and that the cells fit its grid.

    Raises:
        BitstreamError: the picture is empty, or the cells do not fit.
    """
    if header.width < 1 or header.height < 1:
        raise BitstreamError(f"the header declares {header.width} x {header.height} pixels: an empty picture")
    if not 0 <= header.n_coarse <= header.grid_cells:
        raise BitstreamError(
            f"the header declares {header.n_coarse} coarse cells, a picture of {header.width} x {header.height} "
            f"pixels has 0 … {header.grid_cells}"
        )
    most = 4 * (header.grid_cells - header.n_coarse)
    if not 0 <= header.n_medium <= most:
        raise BitstreamError(f"the header declares {header.n_medium} medium cells, the coarse ones leave 0 … {most}")


def _split_sections(body: bytes, position: int, n_sections: int) -> tuple[bytes, ...]:
    """Cut the rest of the body into its sections.

    Raises:
        Truncated: a section is longer than the rest.
    """
    lengths = []
    for number in range(1, n_sections):
        length, position = decode_varint(body, position, what=f"length of section {number}")
        lengths.append(length)
    left = len(body) - position
    if sum(lengths) > left:
        raise Truncated(f"the sections claim {sum(lengths)} bytes, {left} are left: the stream was cut short")
    sections = []
    for length in lengths:
        sections.append(bytes(body[position : position + length]))
        position += length
    return (*sections, bytes(body[position:]))
