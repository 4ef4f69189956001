import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvqcgic.bitstream import MODES, Container, Header, check_start, pack, unpack
from hvqcgic.bitstream.varint import encode_varint
from hvqcgic.errors import BadMagic, BitstreamError, Checksum, Truncated, UnsupportedVersion

FINGERPRINT = bytes(range(8))
HEADER = Header(FINGERPRINT, "adaptive", width=768, height=512, n_coarse=154, n_medium=2458)
SAMPLE = pack(HEADER, [b"indices and everything else"])


def with_crc(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "little")


def raw_stream(*numbers: int, flags: int = 0, version: int = 1, sections: bytes = b"") -> bytes:
    """A stream with a right checksum around whatever claims."""
    start = b"HVQ" + bytes([version]) + FINGERPRINT + bytes([flags])
    return with_crc(start + b"".join(map(encode_varint, numbers)) + sections)


@st.composite
def containers(draw: st.DrawFn) -> Container:
    width, height = draw(st.integers(1, 65536)), draw(st.integers(1, 8192))
    cells = -(-width // 16) * -(-height // 16)
    n_coarse = draw(st.integers(0, cells))
    n_medium = draw(st.integers(0, 4 * (cells - n_coarse)))
    mode = draw(st.sampled_from(MODES))
    n_sections = 1 if mode in ("adaptive", "static-arithmetic") else draw(st.integers(2, 3))
    sections = draw(st.lists(st.binary(max_size=300), min_size=n_sections, max_size=n_sections))
    fingerprint = draw(st.binary(min_size=8, max_size=8))
    return Container(Header(fingerprint, mode, width, height, n_coarse, n_medium), tuple(sections))


@given(containers())
def test_round_trip(container: Container) -> None:
    assert unpack(pack(container.header, container.sections)) == container


@given(containers(), st.data())
def test_every_changed_or_missing_byte_is_found(container: Container, data: st.DataObject) -> None:
    stream = pack(container.header, container.sections)
    with pytest.raises(BitstreamError):
        unpack(stream[: data.draw(st.integers(0, len(stream) - 1))])
    damaged = bytearray(stream)
    damaged[data.draw(st.integers(0, len(stream) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BitstreamError):
        unpack(bytes(damaged))


def test_every_flipped_bit_of_a_sample_is_found() -> None:
    for bit in range(8 * len(SAMPLE)):
        damaged = bytearray(SAMPLE)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError) as caught:
            unpack(bytes(damaged))
        assert "\n" not in str(caught.value)


def test_every_truncation_of_a_sample_is_found() -> None:
    for end in range(len(SAMPLE)):
        with pytest.raises((Truncated, Checksum), match=r"cut short|empty"):
            unpack(SAMPLE[:end])


@given(st.binary(max_size=60), st.integers(0, 15))
def test_what_is_accepted_has_one_encoding(rest: bytes, flags: int) -> None:
    stream = with_crc(b"HVQ\x01" + FINGERPRINT + bytes([flags]) + rest)
    try:
        container = unpack(stream)
    except BitstreamError:
        return
    assert pack(container.header, container.sections) == stream


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BitstreamError):
        unpack(b"X" + data)


def test_overhead_is_at_most_28_bytes_below_16384_pixels_a_side() -> None:
    side = 16383
    for n_coarse, n_medium in ((1024**2, 0), (0, 4 * 1024**2), (2**19, 2**21)):
        header = Header(FINGERPRINT, "adaptive", side, side, n_coarse, n_medium)
        assert len(pack(header, [b""])) <= 28


@pytest.mark.parametrize("width", [768, 16384])
def test_layout_of_version_1(width: int) -> None:
    stream = pack(Header(FINGERPRINT, "zip", width, 512, 3, 200), [b"map", b"indices"])
    width_bytes = {768: b"\x80\x06", 16384: b"\x80\x80\x01"}[width]
    assert stream[:-4] == b"HVQ\x01" + FINGERPRINT + b"\x04" + width_bytes + b"\x80\x04\x03\xc8\x01\x03mapindices"
    assert stream[-4:] == zlib.crc32(stream[:-4]).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", Truncated, "empty"),
        (b"HV", Truncated, "2 bytes"),
        (b"HVQ", Truncated, "3 bytes"),
        (b"\x89PNG\r\n\x1a\n", BadMagic, "PN"),
        (b"HVR\x01", BadMagic, "HVR"),
        (b"HVQ\x03" + bytes(40), UnsupportedVersion, "version 3 .* newer hvqcgic"),
        (b"HVQ\x00" + bytes(40), UnsupportedVersion, "version 0 .* damaged"),
        (raw_stream(10**9, 10**9, 0, 0), BitstreamError, "1000000000 x 1000000000 pixels"),
        (raw_stream(65537, 1, 0, 0), BitstreamError, "65536 a side"),
        (raw_stream(65536, 8193, 0, 0), BitstreamError, "536870912"),
        (raw_stream(0, 5, 0, 0), BitstreamError, "empty picture"),
        (raw_stream(17, 16, 3, 0), BitstreamError, "3 coarse cells"),
        (raw_stream(17, 16, 1, 5), BitstreamError, "5 medium cells"),
        (raw_stream(16, 16, 0, 0, flags=5), BitstreamError, "0x05"),
        (raw_stream(16, 16, 0, 0, flags=16), BitstreamError, "0x10"),
        (raw_stream(16, 16, 0, 0, flags=8), BitstreamError, "2 sections"),
        (raw_stream(16, 16, 0, 0, flags=2, sections=b"\x05map"), Truncated, "5 bytes, 3 are left"),
    ],
)
def test_impossible_claims_are_refused_by_name(data: bytes, error: type[BitstreamError], message: str) -> None:
    with pytest.raises(error, match=message):
        unpack(data)


def test_limits_can_be_set_by_the_caller() -> None:
    with pytest.raises(BitstreamError, match="more than 700 a side"):
        unpack(SAMPLE, max_side=700)
    with pytest.raises(BitstreamError, match="more than 1000 in all"):
        unpack(SAMPLE, max_pixels=1000)
    large = raw_stream(70000, 1, 0, 0)
    assert unpack(large, max_side=70000).header.width == 70000


@pytest.mark.parametrize(
    ("header", "sections", "message"),
    [
        (Header(b"short", "adaptive", 16, 16, 0, 0), [b""], "5 bytes"),
        (Header(FINGERPRINT, "best", 16, 16, 0, 0), [b""], "'best' is unknown"),
        (Header(FINGERPRINT, "adaptive", 16, 16, 0, 0), [b"", b""], "not 2"),
        (Header(FINGERPRINT, "zip", 16, 16, 0, 0), [b""], "not 1"),
        (Header(FINGERPRINT, "adaptive", 16, 16, 2, 0), [b""], "2 coarse cells"),
        (Header(FINGERPRINT, "adaptive", 16, 16, 0, 0, version=7), [b""], "version 7"),
    ],
)
def test_only_readable_streams_are_written(header: Header, sections: list[bytes], message: str) -> None:
    with pytest.raises(BitstreamError, match=message):
        pack(header, sections)


def test_four_bytes_tell_a_stream_from_other_files() -> None:
    check_start(SAMPLE[:4])
    with pytest.raises(BadMagic):
        check_start(b"RIFF")
