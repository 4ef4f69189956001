"""The `.hvq` container: header, sections, checksum. Standard library only, so that `hvqcgic info` starts at once."""

from hvqcgic.bitstream.container import (
    BITSTREAM_VERSION,
    MAX_PIXELS,
    MAX_SIDE,
    MODES,
    Container,
    Header,
    check_start,
    pack,
    unpack,
)

__all__ = [
    "BITSTREAM_VERSION",
    "MAX_PIXELS",
    "MAX_SIDE",
    "MODES",
    "Container",
    "Header",
    "check_start",
    "pack",
    "unpack",
]
