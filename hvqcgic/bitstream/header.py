"""The header of a `.hvq` file: what a stream says about itself, and which claims are refused."""

from dataclasses import dataclass

from hvqcgic.bitstream.schedule import CELL_PX
from hvqcgic.bitstream.varint import decode_varint, encode_varint
from hvqcgic.errors import BadMagic, BitstreamError, Truncated, UnsupportedVersion

MAGIC = b"HVQ"
BITSTREAM_VERSION = 1
"""Of files without tagged sections."""
TAGGED_VERSION = 2
"""Of files with tagged sections."""
FINGERPRINT_BYTES = 8
CRC_BYTES = 4
FIXED_BYTES = len(MAGIC) + 1 + FINGERPRINT_BYTES + 1
MIN_BYTES = FIXED_BYTES + 4 + CRC_BYTES

MODES = ("adaptive", "static-arithmetic", "static-huffman", "fixed-length", "zip")
"""Coding modes; the place of each is its number in the flags byte."""
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
    """What a stream says about itself.

    Attributes:
        fingerprint: 8 bytes that name the model.
        mode: one of MODES.
        width: in pixels, of the true picture, at least 1.
        height: likewise.
        n_coarse: coarse cells, 0 … grid_cells.
        n_medium: medium cells, 0 … 4 · (grid_cells − n_coarse); what is left is fine.
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
        """How many 16 x 16 cells cover the picture."""
        return self.grid_height * self.grid_width

    @property
    def n_fine(self) -> int:
        """How many 4 x 4 cells are left."""
        return 4 * (4 * (self.grid_cells - self.n_coarse) - self.n_medium)

    @property
    def ratios(self) -> tuple[float, float, float]:
        """Shares of the area in fine, medium and coarse cells."""
        cells = self.grid_cells
        return self.n_fine / (16 * cells), self.n_medium / (4 * cells), self.n_coarse / cells


def check_start(data: bytes) -> None:
    """Check magic and version, for which the first four bytes are enough.

    Raises:
        BadMagic: the data do not start with the magic.
        UnsupportedVersion: the format version is not 1 or 2.
        Truncated: there are fewer than four bytes, all as they should be.
    """
    start = bytes(data[: len(MAGIC)])
    if not data:
        raise Truncated("the file is empty: 0 bytes")
    if not MAGIC.startswith(start):
        raise BadMagic(f"not a .hvq stream: starts with {start!r}, expected {MAGIC!r}")
    if len(data) <= len(MAGIC):
        raise Truncated(f"the stream has {len(data)} bytes, at least {MIN_BYTES} are needed: it was cut short")
    version = data[len(MAGIC)]
    if version not in (BITSTREAM_VERSION, TAGGED_VERSION):
        cure = "install a newer hvqcgic" if version > TAGGED_VERSION else "the stream is damaged"
        raise UnsupportedVersion(
            f"format version {version} is unknown, this hvqcgic reads {BITSTREAM_VERSION} and {TAGGED_VERSION}: {cure}"
        )


def read_fingerprint(data: bytes) -> bytes:
    """Return the fingerprint of a stream's model, unchecked; fewer than 8 bytes of a stream cut short within it.

    Raises:
        BitstreamError: as `check_start`.
    """
    check_start(data)
    return bytes(data[len(MAGIC) + 1 :][:FINGERPRINT_BYTES])


def encode_header(header: Header, *, more_sections: bool) -> bytes:
    """The bytes of a header.

    Args:
        header: what the stream says about itself.
        more_sections: whether the mode's optional section is there.

    Raises:
        BitstreamError: the header contradicts itself or has an unknown format version.
    """
    if header.version not in (BITSTREAM_VERSION, TAGGED_VERSION):
        raise UnsupportedVersion(
            f"format version {header.version} cannot be written, only {BITSTREAM_VERSION} and {TAGGED_VERSION}"
        )
    if len(header.fingerprint) != FINGERPRINT_BYTES:
        raise BitstreamError(f"the fingerprint has {len(header.fingerprint)} bytes, not {FINGERPRINT_BYTES}")
    if header.mode not in MODES:
        raise BitstreamError(f"coding mode {header.mode!r} is unknown: one of {', '.join(MODES)}")
    _check_counts(header)
    flags = MODES.index(header.mode) | (EXTRA_SECTION_BIT if more_sections else 0)
    numbers = header.width, header.height, header.n_coarse, header.n_medium
    fixed = MAGIC, bytes((header.version,)), header.fingerprint, bytes((flags,))
    return b"".join((*fixed, *map(encode_varint, numbers)))


def decode_header(body: bytes, *, max_side: int, max_pixels: int) -> tuple[Header, int, int]:
    """Read a header whose magic and version are checked.

    Args:
        body: the stream, without its checksum.
        max_side: widest and highest picture to accept, in pixels.
        max_pixels: largest picture to accept, width times height.

    Returns:
        the header, the number of sections of the mode, and the position behind the header.

    Raises:
        BitstreamError: a claim of the header is impossible or above the limits.
    """
    flags = body[FIXED_BYTES - 1]
    number = flags & MODE_BITS
    if number >= len(MODES) or flags & ~(MODE_BITS | EXTRA_SECTION_BIT):
        raise BitstreamError(f"flags {flags:#04x} name no coding mode of format version {body[len(MAGIC)]}")
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
    header = Header(fingerprint, mode, width, height, n_coarse, n_medium, version=body[len(MAGIC)])
    _check_size(header, max_side=max_side, max_pixels=max_pixels)
    _check_counts(header)
    return header, n_sections, position


def _check_size(header: Header, *, max_side: int, max_pixels: int) -> None:
    """Refuse pictures above the limits.

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
        BitstreamError: they do not.
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
