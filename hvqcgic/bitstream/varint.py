"""Variable-length integers: seven bits a byte, lowest first, the high bit set on every byte but the last (LEB128)."""

from hvqcgic.errors import BitstreamError, Truncated

MAX_VARINT_BYTES = 9
"""Largest length; nine bytes hold every number below 2^63, and no number in a file is larger."""


def encode_varint(value: int) -> bytes:
    """Encode a number in as few bytes as it needs.

    Args:
        value: in [0, 2^63).

    Raises:
        ValueError: the value is outside that range.
    """
    if not 0 <= value < 1 << (7 * MAX_VARINT_BYTES):
        raise ValueError(f"varint value {value} is outside 0 … 2^63 − 1")
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(0x80 | (value & 0x7F))
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def decode_varint(data: bytes, position: int, *, what: str) -> tuple[int, int]:
    """Decode the number that starts at an offset.

    Args:
        data: bytes of the file.
        position: offset of the number's first byte.
        what: name of the number, for the error message.

    Returns:
        the number and the offset of the next byte.

    Raises:
        Truncated: the data end within the number.
        BitstreamError: the number has more bytes than it needs (one value has one encoding) or more than nine.
    """
    value = 0
    for count, byte in enumerate(data[position : position + MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            if byte == 0 and count > 0:
                raise BitstreamError(f"the {what} is written in more bytes than it needs: not a valid .hvq stream")
            return value, position + count + 1
    if position + MAX_VARINT_BYTES > len(data):
        raise Truncated(f"the stream ends within the {what}: it was cut short")
    raise BitstreamError(f"the {what} takes more than {MAX_VARINT_BYTES} bytes: not a valid .hvq stream")
