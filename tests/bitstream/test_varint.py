import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvqcgic.bitstream.varint import decode_varint, encode_varint
from hvqcgic.errors import BitstreamError, Truncated

VALUES = st.integers(0, 2**63 - 1)


@given(VALUES, st.binary(max_size=3), st.binary(max_size=3))
def test_round_trip_between_other_bytes(value: int, before: bytes, after: bytes) -> None:
    encoded = encode_varint(value)
    assert len(encoded) == max(1, -(-value.bit_length() // 7))
    position = len(before) + len(encoded)
    assert decode_varint(before + encoded + after, len(before), what="width") == (value, position)


@given(VALUES)
def test_every_cut_is_found(value: int) -> None:
    encoded = encode_varint(value)
    for end in range(len(encoded)):
        with pytest.raises(Truncated, match="width"):
            decode_varint(encoded[:end], 0, what="width")


@pytest.mark.parametrize("encoded", [b"\x80\x00", b"\xff\x80\x00"])
def test_a_value_has_one_encoding(encoded: bytes) -> None:
    with pytest.raises(BitstreamError, match="more bytes than it needs"):
        decode_varint(encoded, 0, what="width")


def test_a_number_without_end_is_refused() -> None:
    with pytest.raises(BitstreamError, match="more than 9 bytes"):
        decode_varint(b"\xff" * 20, 0, what="width")


@pytest.mark.parametrize("value", [-1, 2**63])
def test_values_out_of_range_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match=str(value)):
        encode_varint(value)
