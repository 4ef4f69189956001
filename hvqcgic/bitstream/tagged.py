"""Tagged sections of a `.hvq` file: what goes with a picture beside its indices (format version 2).

A section has a name in `SECTIONS`, a tag of four ASCII letters in the file, and bytes. A tag that starts with a small
letter may be skipped: a reader that does not know it reads the rest of the file. A capital letter says that the file
means nothing without it. A new section is one entry of `SECTIONS`.
"""

from collections.abc import Mapping

from hvqcgic.bitstream.varint import decode_varint, encode_varint
from hvqcgic.errors import BitstreamError, Truncated, UnsupportedVersion

SECTIONS: dict[str, bytes] = {
    "note": b"note",
    "exif": b"exif",
    "xmp": b"xmpp",
    "icc": b"iccp",
    "resolution": b"reso",
}
"""Tags by name. "note" is text in UTF-8 by whoever made the file. "exif" is an EXIF block without the orientation,
"xmp" an XMP packet, "icc" the ICC profile of the colour space of the pixels, which is sRGB without it, and "resolution"
the dots per inch, horizontally and vertically, as two decimal numbers in ASCII with a blank between them."""
TAG_BYTES = 4


def pack_tagged(sections: Mapping[str, bytes]) -> bytes:
    """All tagged sections, in the order of `SECTIONS`: tag, length as a varint, bytes, for each.

    Raises:
        BitstreamError: a name is unknown.
    """
    unknown = sorted(set(sections) - set(SECTIONS))
    if unknown:
        raise BitstreamError(f"section {unknown[0]!r} is unknown: one of {', '.join(SECTIONS)}")
    parts = [(SECTIONS[name], sections[name]) for name in SECTIONS if name in sections]
    return b"".join(tag + encode_varint(len(data)) + data for tag, data in parts)


def unpack_tagged(body: bytes, position: int) -> dict[str, bytes]:
    """The known tagged sections from a position to the end of a stream's body, by name.

    Raises:
        Truncated: a section is longer than what is left.
        UnsupportedVersion: an unknown section cannot be skipped.
        BitstreamError: a tag is no four letters, or comes twice.
    """
    names = {tag: name for name, tag in SECTIONS.items()}
    found: dict[str, bytes] = {}
    seen: set[bytes] = set()
    while position < len(body):
        tag = bytes(body[position : position + TAG_BYTES])
        if len(tag) < TAG_BYTES or not (tag.isascii() and tag.isalpha()):
            raise BitstreamError(f"a section has the tag {tag!r}, expected four letters: the stream is damaged")
        if tag in seen:
            raise BitstreamError(f"section {tag.decode()!r} comes twice: the stream is damaged")
        length, position = decode_varint(body, position + TAG_BYTES, what=f"length of section {tag.decode()}")
        if length > len(body) - position:
            raise Truncated(f"section {tag.decode()!r} claims {length} bytes, {len(body) - position} are left")
        if tag in names:
            found[names[tag]] = bytes(body[position : position + length])
        elif tag[:1].isupper():
            raise UnsupportedVersion(f"section {tag.decode()!r} is unknown, but needed: install a newer hvqcgic")
        seen.add(tag)
        position += length
    return found
