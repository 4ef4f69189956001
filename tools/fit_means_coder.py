"""Fits the tables of the coder of local means to photographs: hvqcgic/weights/means-coder.bin.

    python tools/fit_means_coder.py PICTURES [-o FILE]

PICTURES is a folder, a tar file or a pattern of tar files, as for `python -m hvqcgic.train --data`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save

from hvqcgic.entropy import fit_means_table
from hvqcgic.models import MeansConfig, largest_latent, local_means
from hvqcgic.training import find_shards, table_name

DEFAULT_OUTPUT = Path(__file__).parent.parent / "hvqcgic" / "weights" / "means-coder.bin"
CONFIGS = (MeansConfig(block_px=32), MeansConfig(block_px=64))


def latents(source: str) -> dict[MeansConfig, list[NDArray[np.int64]]]:
    """Latents (3, h, w) of every picture of a source, for each configuration."""
    found: dict[MeansConfig, list[NDArray[np.int64]]] = {config: [] for config in CONFIGS}
    for shard in find_shards(source):
        for pixels in shard.read():
            picture = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
            for config, own in found.items():
                own.append(local_means(config, picture)[0].long().numpy())
    return found


def main() -> None:
    """Fit and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", help="folder, tar file or pattern of tar files")
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    options = parser.parse_args()
    tables = {table_name(c): fit_means_table(own, largest_latent(c)) for c, own in latents(options.pictures).items()}
    options.output.write_bytes(save(tables))
    print(f"{options.output}: {', '.join(f'{name} {table.shape}' for name, table in tables.items())}")


if __name__ == "__main__":
    main()
