"""Estimates NIQE's model of pristine photographs: hvqcgic/evaluation/metrics/niqe_parameters.npz.

    python tools/fit_niqe.py PICTURES [-o FILE]

PICTURES is a folder, a tar file or a pattern of tar files, as for `python -m hvqcgic.train --data`. They should be
photographs without lossy compression, or strongly downscaled after lossy compression. As in the paper, only blocks of
96 x 96 px that are sharper than 0.75 of the sharpest block of their picture are used.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np

from hvqcgic.evaluation import BUNDLED
from hvqcgic.evaluation.metrics import natural_statistics as statistics
from hvqcgic.files import write_atomically
from hvqcgic.training import find_shards

SHARPNESS_SHARE = 0.75


def sharp_features(pixels: np.ndarray) -> np.ndarray:
    """Features of the sharp blocks of a picture, (N, 36); none for a picture smaller than a block."""
    if min(pixels.shape[:2]) < statistics.BLOCK_PX:
        return np.empty((0, statistics.FEATURES))
    blocks = statistics.block_features(statistics.luma(pixels))
    return blocks.values[blocks.sharpness > SHARPNESS_SHARE * blocks.sharpness.max()]


def main() -> None:
    """Estimate and write the parameters."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", help="folder, tar file or pattern of tar files")
    parser.add_argument("-o", "--output", type=Path, default=BUNDLED)
    options = parser.parse_args()
    features = [sharp_features(pixels) for shard in find_shards(options.pictures) for pixels in shard.stream()]
    model = statistics.fit(np.concatenate(features))
    buffer = io.BytesIO()
    np.savez(buffer, mu_pris_param=model.mean, cov_pris_param=model.covariance)
    write_atomically(options.output, buffer.getvalue(), force=True)
    print(f"{options.output}: {sum(map(len, features))} blocks of {len(features)} pictures")


if __name__ == "__main__":
    main()
