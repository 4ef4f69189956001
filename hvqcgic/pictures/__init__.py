"""Pictures: reading, orientation, colour, drawing over them, and tar shards of them.

In: paths, bytes, Pillow images, arrays. Out: arrays (H, W, 3) of uint8 in sRGB; overlays as tensors (3, H, W).
May import: `files`, `bitstream`, `schema`, `errors`.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.pictures.drawing import granularity_overlay as granularity_overlay
    from hvqcgic.pictures.drawing import heat_map as heat_map
    from hvqcgic.pictures.lossy_formats import AVIF as AVIF
    from hvqcgic.pictures.lossy_formats import JPEG as JPEG
    from hvqcgic.pictures.lossy_formats import WEBP as WEBP
    from hvqcgic.pictures.lossy_formats import LossyFormat as LossyFormat
    from hvqcgic.pictures.lossy_formats import open_as as open_as
    from hvqcgic.pictures.lossy_formats import save_as as save_as
    from hvqcgic.pictures.metadata import Metadata as Metadata
    from hvqcgic.pictures.metadata import metadata_in as metadata_in
    from hvqcgic.pictures.reading import Original as Original
    from hvqcgic.pictures.reading import allow_large_pictures as allow_large_pictures
    from hvqcgic.pictures.reading import read_grey as read_grey
    from hvqcgic.pictures.reading import read_original as read_original
    from hvqcgic.pictures.reading import read_picture as read_picture
    from hvqcgic.pictures.shards import INDEX_SUFFIX as INDEX_SUFFIX
    from hvqcgic.pictures.shards import Member as Member
    from hvqcgic.pictures.shards import ShardIndex as ShardIndex
    from hvqcgic.pictures.shards import decode as decode
    from hvqcgic.pictures.shards import expand as expand
    from hvqcgic.pictures.shards import is_address as is_address
    from hvqcgic.pictures.shards import is_picture as is_picture
    from hvqcgic.pictures.shards import list_pictures as list_pictures
    from hvqcgic.pictures.shards import pack_tar as pack_tar
    from hvqcgic.pictures.shards import parse_index as parse_index
    from hvqcgic.pictures.shards import read_index as read_index
    from hvqcgic.pictures.shards import read_members as read_members
    from hvqcgic.pictures.shards import shard_name as shard_name
    from hvqcgic.pictures.sources import PictureSource as PictureSource
    from hvqcgic.pictures.sources import content_of as content_of
    from hvqcgic.pictures.writing import encode_picture as encode_picture
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "drawing": ["granularity_overlay", "heat_map"],
            "lossy_formats": ["AVIF", "JPEG", "LossyFormat", "WEBP", "open_as", "save_as"],
            "metadata": ["Metadata", "metadata_in"],
            "reading": ["Original", "allow_large_pictures", "read_grey", "read_original", "read_picture"],
            "shards": [
                "INDEX_SUFFIX",
                "Member",
                "ShardIndex",
                "decode",
                "expand",
                "is_address",
                "is_picture",
                "list_pictures",
                "pack_tar",
                "parse_index",
                "read_index",
                "read_members",
                "shard_name",
            ],
            "sources": ["PictureSource", "content_of"],
            "writing": ["encode_picture"],
        },
    )
