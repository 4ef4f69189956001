"""Fits the coder of the granularity map to photographs at many ratios: hvqcgic/weights/map-coder.bin.

    python tools/fit_map_coder.py PICTURES [--model tiny] [-o FILE]

PICTURES is a folder, a tar file or a pattern of tar files, as for `python -m hvqcgic.train --data`. Half of the maps
are by information density, and half by distortion, as the encoder of the model chooses them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.numpy import save

import hvqcgic
from hvqcgic.codec import Codec
from hvqcgic.entropy import Masks, fit_map_coder
from hvqcgic.models import Ratios
from hvqcgic.rate_control import RdOrder
from hvqcgic.rate_control.cell_distortions import cell_distortions
from hvqcgic.training import draw_ratios, find_shards

DEFAULT_OUTPUT = Path(__file__).parent.parent / "hvqcgic" / "weights" / "map-coder.bin"
RATIOS_A_PICTURE = 3
"""For each of the two rules."""
STRIDE = 3
FAVOURED: Ratios = (0.5, 0.4, 0.1)


def maps(source: str, codec: Codec) -> Iterator[Masks]:
    """Yield granularity maps of every third picture of a source, by both rules at several ratios each."""
    generator = torch.Generator().manual_seed(0)
    for shard in find_shards(source):
        for pixels in shard.keep(shard.names[::STRIDE]).read():
            picture = codec.analyse(pixels)
            for ratios in draw_ratios(RATIOS_A_PICTURE, FAVOURED, 0.3, generator=generator):
                yield codec.order_cells(picture, ratios)
            order = RdOrder(cell_distortions(codec, picture))
            for ratios in draw_ratios(RATIOS_A_PICTURE, FAVOURED, 0.3, generator=generator):
                yield order.masks(ratios)


def main() -> None:
    """Fit and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", help="folder, tar file or pattern of tar files")
    parser.add_argument("--model", default="tiny", help="model whose distortions choose half of the maps")
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    options = parser.parse_args()
    tables = fit_map_coder(maps(options.pictures, hvqcgic.load(options.model)))
    options.output.write_bytes(save(tables))
    print(f"{options.output}: {', '.join(f'{name} {table.shape}' for name, table in tables.items())}")


if __name__ == "__main__":
    main()
