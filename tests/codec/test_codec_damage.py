"""Streams that are not what they should be: every one is refused, or read to the end, in bounded time and memory."""

import time
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import hvqcgic
from hvqcgic.bitstream import MODES, Header, pack, unpack
from hvqcgic.bitstream.varint import encode_varint
from hvqcgic.codec.codec import Codec
from hvqcgic.errors import BitstreamError, ModelMismatch
from tests.random_model import random_picture


def test_another_models_stream_names_both_fingerprints(codec: Codec, prior_reading_codec: Codec) -> None:
    other = prior_reading_codec
    with pytest.raises(ModelMismatch) as caught:
        codec.decompress(other.compress(random_picture(8, 8, seed=0)))
    assert codec.fingerprint.hex() in str(caught.value)
    assert other.fingerprint.hex() in str(caught.value)
    assert isinstance(caught.value, hvqcgic.BitstreamError)


@pytest.mark.parametrize("coding", MODES)
def test_every_cut_and_every_flipped_bit_is_found(codec: Codec, coding: str) -> None:
    data = codec.compress(random_picture(40, 30, seed=9), coding=coding)
    for length in range(len(data)):
        with pytest.raises(BitstreamError):
            codec.read(data[:length])
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError):
            codec.read(bytes(changed))
    with pytest.raises(BitstreamError):
        codec.read(data + b"\0")


def opens_or_complains(codec: Codec, header: Header, sections: list[bytes]) -> bool:
    """Whether a stream whose checksum is right was read; it must be read whole, or be refused."""
    try:
        decoded = codec.read(pack(header, sections))
    except BitstreamError:
        return False
    assert np.asarray(codec.reconstruct(decoded)).shape == (header.height, header.width, 3)
    return True


@settings(max_examples=60)
@given(st.data())
def test_hostile_sections_are_refused_or_read_to_the_end(
    codec: Codec, prior_reading_codec: Codec, data: st.DataObject
) -> None:
    reader = data.draw(st.sampled_from([codec, prior_reading_codec]))
    mode = data.draw(st.sampled_from(MODES))
    width, height = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70))
    cells = -(-width // 16) * -(-height // 16)
    n_coarse = data.draw(st.integers(0, cells))
    n_medium = data.draw(st.integers(0, 4 * (cells - n_coarse)))
    n_sections = 1 if mode in MODES[:2] else data.draw(st.integers(2, 3))
    sections = [data.draw(st.binary(max_size=200)) for _ in range(n_sections)]
    opens_or_complains(reader, Header(reader.fingerprint, mode, width, height, n_coarse, n_medium), sections)


@settings(max_examples=60)
@given(st.sampled_from(MODES), st.integers(0, 2**16), st.integers(1, 255), st.integers(0, 400))
@example("adaptive", 0, 255, 0)
def test_sections_changed_under_a_right_checksum(codec: Codec, mode: str, place: int, change: int, length: int) -> None:
    container = unpack(codec.compress(random_picture(70, 50, seed=10), coding=mode))
    last = bytearray(container.sections[-1])
    last[place % len(last)] ^= change
    opens_or_complains(codec, container.header, [*container.sections[:-1], bytes(last[: length or None])])


def by_hand(codec: Codec, mode: str, numbers: tuple[int, ...], body: bytes) -> bytes:
    """A stream with any numbers in its header, which `pack` would refuse to write; its checksum is right."""
    flags = bytes([MODES.index(mode)])
    stream = b"HVQ\x01" + codec.fingerprint + flags + b"".join(map(encode_varint, numbers)) + body
    return stream + zlib.crc32(stream).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("mode", "numbers", "message"),
    [
        ("adaptive", (10**9, 10**9, 0, 0), "1000000000 x 1000000000 pixels"),
        ("adaptive", (2**16, 2**16, 0, 0), "65536 x 65536 pixels"),
        ("adaptive", (2**62, 1, 0, 0), "pixels"),
        ("adaptive", (16, 16, 2, 0), "2 coarse cells"),
        ("adaptive", (16, 16, 0, 5), "5 medium cells"),
        ("static-huffman", (2**16, 2**13, 0, 0, 1), "raw map"),
        ("fixed-length", (2**16, 2**13, 0, 0, 1), "raw map"),
        ("zip", (2**16, 2**13, 0, 0, 1), "raw map"),
    ],
)
def test_what_a_header_claims_costs_nothing(codec: Codec, mode: str, numbers: tuple[int, ...], message: str) -> None:
    data = by_hand(codec, mode, numbers, b"some bytes")
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(BitstreamError, match=message):
            codec.decompress(data)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < 1


def test_a_caller_may_set_a_lower_limit(codec: Codec) -> None:
    data = codec.compress(random_picture(40, 30, seed=9))
    assert codec.decompress(data, max_pixels=1200).size == (40, 30)
    with pytest.raises(BitstreamError, match="more than 1199"):
        codec.decompress(data, max_pixels=1199)
