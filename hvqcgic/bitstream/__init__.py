"""The `.hvq` container: header, sections, checksum, and the order in which cells are coded.

In: the sections that `entropy` wrote. Out: the bytes of a file, or a `BitstreamError` that names the fault.
May import: `errors` and the standard library only, so that `hvqcgic info` starts at once.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.bitstream.container import Container as Container
    from hvqcgic.bitstream.container import pack as pack
    from hvqcgic.bitstream.container import unpack as unpack
    from hvqcgic.bitstream.container import unpack_start as unpack_start
    from hvqcgic.bitstream.header import BITSTREAM_VERSION as BITSTREAM_VERSION
    from hvqcgic.bitstream.header import MAGIC as MAGIC
    from hvqcgic.bitstream.header import MAX_PIXELS as MAX_PIXELS
    from hvqcgic.bitstream.header import MAX_SIDE as MAX_SIDE
    from hvqcgic.bitstream.header import MODES as MODES
    from hvqcgic.bitstream.header import Header as Header
    from hvqcgic.bitstream.header import check_start as check_start
    from hvqcgic.bitstream.header import read_fingerprint as read_fingerprint
    from hvqcgic.bitstream.schedule import CELL_PX as CELL_PX
    from hvqcgic.bitstream.schedule import GRANULARITIES as GRANULARITIES
    from hvqcgic.bitstream.schedule import MEANS as MEANS
    from hvqcgic.bitstream.schedule import Pass as Pass
    from hvqcgic.bitstream.schedule import parse_schedule as parse_schedule
    from hvqcgic.bitstream.tagged import SECTIONS as SECTIONS
    from hvqcgic.bitstream.varint import decode_varint as decode_varint
    from hvqcgic.bitstream.varint import encode_varint as encode_varint
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "container": ["Container", "pack", "unpack", "unpack_start"],
            "header": [
                "BITSTREAM_VERSION",
                "Header",
                "MAGIC",
                "MAX_PIXELS",
                "MAX_SIDE",
                "MODES",
                "check_start",
                "read_fingerprint",
            ],
            "schedule": ["CELL_PX", "GRANULARITIES", "MEANS", "Pass", "parse_schedule"],
            "tagged": ["SECTIONS"],
            "varint": ["decode_varint", "encode_varint"],
        },
    )
