"""The `.hvq` container, format versions 1 and 2.

    magic        3 bytes   b"HVQ"
    version      1 byte    1, or 2 of a file with tagged sections
    fingerprint  8 bytes   of the model that made the stream
    flags        1 byte    bits 0-2 the coding mode, bit 3 "one section more", the rest 0
    width        varint    in pixels, as is the height
    height       varint
    n_coarse     varint    how many 16 x 16 cells are coarse
    n_medium     varint    how many 8 x 8 cells of the others are medium
    sections               for each but the last a varint with its length (version 2: for each); then the sections
    tagged       version 2: four letters, a varint with the length, bytes, for each tagged section (`tagged.py`)
    CRC-32       4 bytes   little endian, over everything before it

The modes with one range-coded stream have one section. The others have two, raw map and indices, and a third for the
hyper-latents (bit 3) where the model's decoder needs them in every mode. A file without tagged sections has version 1.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from hvqcgic.bitstream.header import (
    BITSTREAM_VERSION,
    CRC_BYTES,
    MAX_PIXELS,
    MAX_SIDE,
    MIN_BYTES,
    SECTION_COUNTS,
    TAGGED_VERSION,
    Header,
    check_start,
    decode_header,
    encode_header,
)
from hvqcgic.bitstream.tagged import pack_tagged, unpack_tagged
from hvqcgic.bitstream.varint import decode_varint, encode_varint
from hvqcgic.errors import BitstreamError, Checksum, Truncated


@dataclass(frozen=True)
class Container:
    """A stream taken apart.

    Attributes:
        header: of the stream.
        sections: the bytes of the sections of its coding mode.
        tagged: the tagged sections that this reader knows, by name.
    """

    header: Header
    sections: tuple[bytes, ...]
    tagged: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Start:
    """A stream of the adaptive mode, or its beginning.

    Attributes:
        header: of the stream.
        section: what there is of its one section.
        section_begin: where in the stream that begins, in bytes.
        checked: whether all of it is there, and its checksum is right.
    """

    header: Header
    section: bytes
    section_begin: int
    checked: bool


def pack(header: Header, sections: Sequence[bytes], tagged: Mapping[str, bytes] | None = None) -> bytes:
    """Join header and sections to one stream.

    Args:
        header: what the stream says about itself; its version is that of what is written.
        sections: one for the modes `adaptive` and `static-arithmetic`, two or three for the others.
        tagged: bytes by name in `hvqcgic.bitstream.SECTIONS`; with any the format version is 2, else 1.

    Raises:
        BitstreamError: the header contradicts itself, the number of sections does not fit the mode, or a tagged
            section is unknown.
    """
    if header.version == BITSTREAM_VERSION and tagged:
        header = replace(header, version=TAGGED_VERSION)
    counts = SECTION_COUNTS.get(header.mode, (len(sections),))
    if len(sections) not in counts:
        raise BitstreamError(f"mode {header.mode} has {counts[0]} … {counts[-1]} sections, not {len(sections)}")
    start = encode_header(header, more_sections=len(sections) > counts[0])
    sized = sections if header.version == TAGGED_VERSION else sections[:-1]
    body = b"".join((start, *(encode_varint(len(section)) for section in sized), *sections, pack_tagged(tagged or {})))
    return body + zlib.crc32(body).to_bytes(CRC_BYTES, "little")


def unpack(data: bytes, *, max_side: int = MAX_SIDE, max_pixels: int = MAX_PIXELS) -> Container:
    """Take a stream apart; every claim is checked before anything is allocated by it.

    Args:
        data: the whole stream.
        max_side: widest and highest picture to accept, in pixels.
        max_pixels: largest picture to accept, width times height.

    Raises:
        BadMagic: the data are no `.hvq` stream.
        UnsupportedVersion: their format version, or a section that cannot be skipped, is unknown.
        Truncated: they are too short to be a stream.
        Checksum: they are damaged or cut short.
        BitstreamError: a claim of the header is impossible or above the limits.
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
    header, n_sections, position = decode_header(body, max_side=max_side, max_pixels=max_pixels)
    sections, position = _split_sections(body, position, n_sections, sized=header.version == TAGGED_VERSION)
    return Container(header, sections, unpack_tagged(body, position))


def unpack_start(data: bytes, *, partial: bool, max_side: int = MAX_SIDE, max_pixels: int = MAX_PIXELS) -> Start:
    """Take a stream of the adaptive mode apart that may be cut short.

    Args:
        data: the stream, or its beginning.
        partial: take the beginning of one, whose checksum is not there; else errors are those of `unpack`.
        max_side: widest and highest picture to accept, in pixels.
        max_pixels: largest picture to accept, width times height.

    Raises:
        BitstreamError: as `unpack`, of the header; or the mode is another.
    """
    check_start(data)
    if partial and len(data) < MIN_BYTES:
        raise Truncated(f"{len(data)} bytes are less than a header, nothing can be shown of them yet")
    whole = len(data) >= MIN_BYTES and zlib.crc32(data[:-CRC_BYTES]).to_bytes(CRC_BYTES, "little") == data[-CRC_BYTES:]
    if not whole and not partial:
        unpack(data, max_side=max_side, max_pixels=max_pixels)
    # Of a stream cut short, the last bytes may be the first ones of its checksum.
    body = data[:-CRC_BYTES]
    header, _, position = decode_header(body, max_side=max_side, max_pixels=max_pixels)
    if header.mode != "adaptive":
        raise BitstreamError(f"a stream coded {header.mode} has no passes to be read one by one; read it whole")
    if header.version != TAGGED_VERSION:
        return Start(header, body[position:], position, whole)
    length, position = decode_varint(body, position, what="length of section 1")
    return Start(header, data[position : position + length], position, whole and position + length <= len(body))


def _split_sections(body: bytes, position: int, n_sections: int, *, sized: bool) -> tuple[tuple[bytes, ...], int]:
    """Cut the sections of the mode out of the body; return them and the position behind them.

    Args:
        body: the stream, without its checksum.
        position: behind the header.
        n_sections: how many.
        sized: whether the last one has its length, too; else it reaches to the end.

    Raises:
        Truncated: a section is longer than what is left.
    """
    lengths = []
    for number in range(1, n_sections + sized):
        length, position = decode_varint(body, position, what=f"length of section {number}")
        lengths.append(length)
    left = len(body) - position
    if sum(lengths) > left:
        raise Truncated(f"the sections claim {sum(lengths)} bytes, {left} are left: the stream was cut short")
    if not sized:
        lengths.append(left - sum(lengths))
    sections = []
    for length in lengths:
        sections.append(bytes(body[position : position + length]))
        position += length
    return tuple(sections), position
