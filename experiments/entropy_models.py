"""What the choices within the entropy model are worth: each variation alone, trained for equal steps.

    python experiments/entropy_models.py PICTURES... --out FOLDER [--steps 600] [--data PICTURES] [--only NAMES...]

Every variation starts from the same backbone, fixed, and from fresh entropy networks, takes --steps steps of stage
hyperprior, and codes the same indices at the backbone's default ratios. Rates are of whole files. Seconds are of the
processor, for entropy decoding: files are read in turn, each by every model, so that what else the machine does falls
on all of them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import common
import numpy as np
from rich.progress import track

import hvqcgic
from hvqcgic.errors import ModelError
from hvqcgic.files import all_pictures

COMPARED_WITH = {
    "form": "learned",
    "context_width": "64",
    "embedding_width": "24",
    "z_channels": "[4, 4, 4]",
    "hyperprior": "convolutional",
    "z_footprint": "4",
    "hint_kernel": "5",
}
"""What is varied: `tiny` had it until the table of docs/results.md was made."""
CHECKERBOARDS, SIZES = "[coarse, medium/0, medium/1, fine/0, fine/1]", "[coarse, medium, fine]"
AS_TINY = {"form": "mahalanobis", "context_width": "96", "z_channels": "[0, 0, 0]"}
POOLED = AS_TINY | {"z_channels": "[8, 8, 8]", "hyperprior": "pooled", "z_footprint": "64", "hint_kernel": "1"}
VARIATIONS: Mapping[str, Mapping[str, str]] = {
    "as-configured": {},
    "diagonal": {"form": "diagonal"},
    "mahalanobis": {"form": "mahalanobis", "embedding_width": "12"},
    "rank-12": {"embedding_width": "12"},
    "rank-48": {"embedding_width": "48"},
    "no-log-prior": {"log_prior": "false"},
    "three-passes": {"schedule": SIZES},
    "five-passes": {"schedule": CHECKERBOARDS},
    "no-hyperpriors": {"z_channels": "[0, 0, 0]"},
    "no-coarse-hyperprior": {"z_channels": "[0, 4, 4]"},
    "z-8": {"z_channels": "[8, 8, 8]"},
    "context-32": {"context_width": "32"},
    "context-96": {"context_width": "96"},
    "wide-without-hyperpriors": {"z_channels": "[0, 0, 0]", "context_width": "96", "embedding_width": "48"},
    "as-tiny": AS_TINY,
    "pooled": POOLED,
    "as-tiny-five-passes": AS_TINY | {"schedule": CHECKERBOARDS},
    "pooled-five-passes": POOLED | {"schedule": CHECKERBOARDS},
    "pooled-three-passes": POOLED | {"schedule": SIZES},
}
"""Fields of `EntropyConfig` over `COMPARED_WITH`."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, measures and prints the table."""
    parser = common.parser(__doc__)
    common.add_training(parser, 600)
    parser.add_argument("--backbone", default="tiny-frozen", help="bundled model or model file (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=VARIATIONS, help="variations, compared with the first one (all)")
    options = parser.parse_args(arguments)
    pictures = all_pictures(options.pictures)
    start = common.backbone_alone(options.backbone, options.out / "backbone.ckpt")
    names = list(dict.fromkeys(options.only or VARIATIONS))
    models = {name: trained(name, start, options) for name in names}
    static, rows = measure(options.backbone, models, pictures)
    for row in rows:
        row["saves %"] = common.saved_percent(row["bpp"], static)
        row["bits %"] = round(100 * (row["bpp"] / rows[0]["bpp"] - 1), 1)
        row["decoding"] = round(row["seconds"] / rows[0]["seconds"], 2)
    notes = [
        f"{len(pictures)} pictures; {options.steps} steps each from {options.backbone}, whose indices they code.",
        f"saves: of static Huffman codes with the raw map, {static:.4f} bpp; bits, decoding: against the first line.",
    ]
    headings = ["entropy model", "bpp", "saves %", "bits %", "decoding"]
    path = options.out / "entropy_models.json"
    common.show(rows, title="Choices within the entropy model", path=path, notes=notes, headings=headings)


def training(name: str, steps: int) -> list[str]:
    """Arguments of a variation's training."""
    varied = COMPARED_WITH | VARIATIONS[name]
    fields = [part for key, value in varied.items() for part in (f"--model.entropy.{key}", value)]
    config = "tiny"
    return ["--config", config, "--stage", "hyperprior", "--training.steps", str(steps), *fields]


def trained(name: str, start: Path, options: argparse.Namespace) -> Path:
    """The model file of a variation, trained where it is not there yet."""
    return common.train(options.out / name, options, *training(name, options.steps), "--init", str(start))


def measure(backbone: str, models: Mapping[str, Path], pictures: Sequence[Path]) -> tuple[float, list[dict[str, Any]]]:
    """Files of the same indices by every model.

    Returns:
        (mean bpp of the backbone's static Huffman codes with the raw map; for each model its mean bpp, and the
        processor seconds that decoding all of its files to indices took).

    Raises:
        ModelError: a model codes other indices than the backbone.
    """
    static = hvqcgic.load(backbone)
    codecs = {name: hvqcgic.load(path) for name, path in models.items()}
    rows: dict[str, dict[str, Any]] = {name: {"entropy model": name, "bpp": 0.0, "seconds": 0.0} for name in models}
    static_bpp = 0.0
    for path in track(pictures, "coding", transient=True, disable=not sys.stderr.isatty()):
        encoded = static.encode(path)
        share = 8 / (encoded.width * encoded.height * len(pictures))
        static_bpp += share * len(static.write(encoded, coding="static-huffman").data)
        for name, codec in codecs.items():
            data = codec.write(codec.encode(path)).data
            rows[name]["bpp"] += share * len(data)
            began = time.process_time()
            decoded = codec.read(data)
            rows[name]["seconds"] += time.process_time() - began
            if any(not np.array_equal(decoded.indices[g], indices) for g, indices in encoded.indices.items()):
                raise ModelError(f"{models[name]}: codes other indices than {backbone}; --force trains it anew")
    return static_bpp, [row | {"bpp": round(row["bpp"], 4)} for row in rows.values()]


if __name__ == "__main__":
    sys.exit(common.call(main))
