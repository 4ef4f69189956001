"""Coding with one model, step by step: picture to integers to bytes at a given granularity map, and back.

In: a picture and a granularity map, or the bytes of a file. Out: an `Encoded` picture, its file, a decoded picture.
May import: `model_files`, `models`, `entropy`, `pictures`, `bitstream`, `errors`; no rate search happens here.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.coder.analysed import Analysed as Analysed
    from hvqcgic.coder.cell_maps import cell_bits_map as cell_bits_map
    from hvqcgic.coder.cell_maps import cell_sizes_map as cell_sizes_map
    from hvqcgic.coder.coder import PictureCoder as PictureCoder
    from hvqcgic.coder.coder import check_coding as check_coding
    from hvqcgic.coder.encoded import Encoded as Encoded
    from hvqcgic.coder.encoded import Trial as Trial
    from hvqcgic.coder.encoded import Written as Written
    from hvqcgic.coder.preview import Preview as Preview
    from hvqcgic.coder.reverse_coder import ReverseCoder as ReverseCoder
    from hvqcgic.coder.reverse_coder import check_sampling as check_sampling
    from hvqcgic.coder.tiled_networks import TiledNetworks as TiledNetworks
    from hvqcgic.coder.tiled_reverse import TiledReverse as TiledReverse
    from hvqcgic.coder.tiling import Tile as Tile
    from hvqcgic.coder.tiling import tiles as tiles
    from hvqcgic.coder.window_size import UNIT as UNIT
    from hvqcgic.coder.window_size import TileSize as TileSize
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "analysed": ["Analysed"],
            "cell_maps": ["cell_bits_map", "cell_sizes_map"],
            "coder": ["PictureCoder", "check_coding"],
            "encoded": ["Encoded", "Trial", "Written"],
            "preview": ["Preview"],
            "reverse_coder": ["ReverseCoder", "check_sampling"],
            "tiled_networks": ["TiledNetworks"],
            "tiled_reverse": ["TiledReverse"],
            "tiling": ["Tile", "tiles"],
            "window_size": ["TileSize", "UNIT"],
        },
    )
