"""Fits the coder of the granularity map to photographs at many ratios: hvqcgic/weights/map-coder.bin.

    python tools/fit_map_coder.py PICTURES [-o FILE]

PICTURES is a folder, a tar file or a pattern of tar files, as for `python -m hvqcgic.train --data`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.numpy import save

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.entropy import Masks, fit_map_coder
from hvqcgic.models import ModelConfig, Ratios, granularity_map, pad_to_cells
from hvqcgic.training import draw_ratios, find_shards

DEFAULT_OUTPUT = Path(__file__).parent.parent / "hvqcgic" / "weights" / "map-coder.bin"
RATIOS_A_PICTURE = 3
STRIDE = 3
FAVOURED: Ratios = (0.5, 0.4, 0.1)


def maps(source: str) -> Iterator[Masks]:
    """Yield granularity maps of every third picture of a source, each at several ratios."""
    generator = torch.Generator().manual_seed(0)
    sigma = ModelConfig().entropy_sigma
    for shard in find_shards(source):
        for pixels in shard.keep(shard.names[::STRIDE]).read():
            picture = pad_to_cells(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)
            ratios = draw_ratios(RATIOS_A_PICTURE, FAVOURED, 0.3, generator=generator)
            found = granularity_map(picture.expand(RATIOS_A_PICTURE, -1, -1, -1), ratios, sigma)
            for item in range(RATIOS_A_PICTURE):
                yield Masks(*(found[g][item, 0].numpy() for g in GRANULARITIES))


def main() -> None:
    """Fit and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", help="folder, tar file or pattern of tar files")
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    options = parser.parse_args()
    tables = fit_map_coder(maps(options.pictures))
    options.output.write_bytes(save(tables))
    print(f"{options.output}: {', '.join(f'{name} {table.shape}' for name, table in tables.items())}")


if __name__ == "__main__":
    main()
