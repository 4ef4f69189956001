"""Tagged sections: files without them stay as they were, readers skip what they may skip."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvqcgic.bitstream import MODES, Header, pack, unpack, unpack_start
from hvqcgic.bitstream.varint import encode_varint
from hvqcgic.errors import BitstreamError, Truncated, UnsupportedVersion

HEADER = Header(bytes(range(8)), "adaptive", width=64, height=48, n_coarse=6, n_medium=10)
# Made by the first writer of format version 2; it must be read for ever.
BEFORE_TAGS = bytes.fromhex("48565102" + "0001020304050607" + "00" + "4030060a" + "07" + "696e6469636573")
VERSION_2 = BEFORE_TAGS + bytes.fromhex("6e6f7465" + "02" + "6869")


def with_crc(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "little")


def tagged(*sections: tuple[bytes, bytes]) -> bytes:
    """A stream of version 2 with sections of any tags."""
    return with_crc(BEFORE_TAGS + b"".join(tag + encode_varint(len(data)) + data for tag, data in sections))


def test_a_file_without_tagged_sections_has_version_1() -> None:
    assert pack(HEADER, [b"indices"], {}) == pack(HEADER, [b"indices"])
    assert unpack(pack(HEADER, [b"indices"])).header.version == 1


def test_the_first_file_of_version_2_is_read_and_written_as_it_was() -> None:
    data = with_crc(VERSION_2)
    found = unpack(data)
    assert (found.header.version, found.sections, found.tagged) == (2, (b"indices",), {"note": b"hi"})
    assert pack(HEADER, [b"indices"], {"note": b"hi"}) == data
    assert pack(found.header, found.sections, found.tagged) == data


@given(st.sampled_from(MODES), st.binary(max_size=200), st.lists(st.binary(max_size=99), min_size=3, max_size=3))
def test_round_trip(mode: str, note: bytes, parts: list[bytes]) -> None:
    header = Header(bytes(8), mode, 64, 48, 6, 10)
    sections = parts[:1] if mode in ("adaptive", "static-arithmetic") else parts
    found = unpack(pack(header, sections, {"note": note}))
    assert found.sections == tuple(sections)
    assert found.tagged == {"note": note}


def test_a_section_that_may_be_skipped_is() -> None:
    assert unpack(tagged((b"latr", b"abc"), (b"note", b"hi"))).tagged == {"note": b"hi"}


@pytest.mark.parametrize(
    ("sections", "kind", "message"),
    [
        ([(b"Need", b"x")], UnsupportedVersion, "section 'Need' is unknown, but needed: install a newer hvqcgic"),
        ([(b"note", b"a"), (b"note", b"b")], BitstreamError, "section 'note' comes twice"),
        ([(b"n\xfft!", b"a")], BitstreamError, "expected four letters"),
    ],
)
def test_what_cannot_be_is_refused(
    sections: list[tuple[bytes, bytes]], kind: type[BitstreamError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        unpack(tagged(*sections))


def test_a_section_longer_than_the_file_is_refused() -> None:
    with pytest.raises(Truncated, match="section 'note' claims 99 bytes, 2 are left"):
        unpack(with_crc(VERSION_2[:-3] + bytes([99]) + b"hi"))


def test_an_unknown_name_is_not_written() -> None:
    with pytest.raises(BitstreamError, match="section 'notes' is unknown: one of note"):
        pack(HEADER, [b"indices"], {"notes": b"hi"})


@pytest.mark.parametrize("cut", [0, 1, 8])
def test_the_picture_comes_before_what_goes_with_it(cut: int) -> None:
    data = with_crc(VERSION_2)
    start = unpack_start(data[: len(data) - cut], partial=True)
    assert start.section == b"indices"
    assert start.checked == (cut == 0)
