"""Writes the files that every later version must decode: tests/golden/v<format version>.

    python -m tools.make_golden [--force]

Files that are there are left as they are: those of a released format are never made again; --force is for a format
that has not been released. The folder holds each model's file and, for each picture, a `.hvq` file in every coding
mode, the integers in these files, and the decoded picture.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from hvqcgic.bitstream import BITSTREAM_VERSION, GRANULARITIES, MODES
from hvqcgic.codec import Codec, load
from hvqcgic.files import write_atomically
from hvqcgic.model_files import write_model
from hvqcgic.models import MeansConfig, ModelConfig, Ratios
from tests.random_model import random_model, random_picture, small_config

OUTPUT = Path(__file__).parents[1] / "tests" / "golden" / f"v{BITSTREAM_VERSION}"

MODELS: dict[str, ModelConfig] = {
    "seven-passes": small_config(),
    # Its files in static modes also hold hyper-latents, in a third section.
    "decoder-prior": small_config(
        decoder_prior=True,
        z_channels=(0, 1, 2),
        schedule=("coarse", "medium/0", "medium/1", "fine"),
        form="diagonal",
        context_width=4,
    ),
    # The paper's prior without context, and all that hyper-latents can be beside it.
    "paper": small_config(
        form="mahalanobis", embedding="codebook", log_prior=False, context=False, schedule=("coarse", "medium", "fine")
    ),
    "pooled-means": replace(
        small_config(form="mahalanobis", hyperprior="pooled", z_footprint=32, hint_kernel=1, z_channels=(1, 2, 2)),
        means=MeansConfig(block_px=32),
    ),
}

PICTURES: dict[str, tuple[int, int, Ratios]] = {
    "mixed": (77, 58, (0.5, 0.4, 0.1)),
    "dot": (1, 1, (0.0, 0.5, 0.5)),
}
"""Width, height and ratios."""


def main() -> int:
    """Write the files; return exit code 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--force", action="store_true", help="replace existing files")
    force = parser.parse_args().force
    for number, (name, config) in enumerate(MODELS.items()):
        path = OUTPUT / name / "model.safetensors"
        if path.exists() and not force:
            print(
                f"{path.parent}: exists already; --force replaces it, which breaks a released format", file=sys.stderr
            )
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_model(random_model(config, seed=number).freeze(name), path, force=force)
        codec = load(path, device="cpu")
        for picture in PICTURES:
            write_picture(codec, picture, path.parent, force=force)
    print(f"{OUTPUT}: {sum(path.stat().st_size for path in OUTPUT.rglob('*.*'))} bytes")
    return 0


def write_picture(codec: Codec, name: str, folder: Path, *, force: bool) -> None:
    """Write the `.hvq` files of one picture, their integers and the decoded picture."""
    width, height, ratios = PICTURES[name]
    encoded = codec.encode(random_picture(width, height, seed=len(name)), ratios=ratios)
    for mode in MODES:
        write_atomically(folder / f"{name}.{mode}.hvq", codec.write(encoded, coding=mode).data, force=force)
    integers = {f"mask.{g}": encoded.masks[g] for g in GRANULARITIES}
    integers |= {f"indices.{g}": encoded.indices[g].astype(np.int16) for g in GRANULARITIES}
    integers |= {f"z.{name}": values.astype(np.int16) for name, values in (encoded.z or {}).items()}
    np.savez_compressed(folder / f"{name}.npz", **integers)
    codec.reconstruct(encoded).save(folder / f"{name}.png")


if __name__ == "__main__":
    sys.exit(main())
