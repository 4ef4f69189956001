"""What hyperpriors are worth beside context passes: added to a trained entropy model, trained on for equal steps.

    python experiments/hyperpriors.py PICTURES... --out FOLDER [--steps 600] [--data PICTURES] [--only NAMES...]

Every variation starts from the bundled model with all of its networks; the weights that read hints start at 0, so that
the first step predicts indices as the model does. Rates are of whole files of the same indices at three ratios. Seconds
are of the processor, for entropy decoding: files are read in turn, each by every model.
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
from hvqcgic.models import REPORTED_RATIOS

NONE = "none"
ONE = {"model.entropy.z_channels": "[1, 1, 1]"}
TWO = {"model.entropy.z_channels": "[2, 2, 2]"}
AT_CELL = {"model.entropy.hint_kernel": "1"}
FEW_HINTS = {"model.entropy.synthesis_channels": "4"}
VARIATIONS: Mapping[str, Mapping[str, str]] = {
    NONE: {},
    "z-1": ONE,
    "z-4": {"model.entropy.z_channels": "[4, 4, 4]"},
    "z-1, footprint 8": ONE | {"model.entropy.z_footprint": "8"},
    "z-1, at the cell": ONE | AT_CELL,
    "z-1, at the cell, footprint 8": ONE | AT_CELL | {"model.entropy.z_footprint": "8"},
    "z-2, at the cell, footprint 8": TWO | AT_CELL | {"model.entropy.z_footprint": "8"},
    "z-2, at the cell, footprint 16": TWO | AT_CELL | {"model.entropy.z_footprint": "16"},
    **{
        f"z-{count}, pooled, footprint {side}": AT_CELL
        | {"model.entropy.z_channels": str([count] * 3), "model.entropy.z_footprint": str(side)}
        | {"model.entropy.hyperprior": "pooled"}
        for count, side in ((2, 16), (4, 32), (4, 64), (8, 64))
    },
    "z-1, 4 hints": ONE | FEW_HINTS,
    "z-1, 4 hints, footprint 8": ONE | FEW_HINTS | {"model.entropy.z_footprint": "8"},
    "z-2, 4 hints, footprint 8": TWO | FEW_HINTS | {"model.entropy.z_footprint": "8"},
    "z-1, 4 hints, coarse alone": FEW_HINTS | {"model.entropy.z_channels": "[1, 0, 0]"},
    "z-1, 4 hints, fine alone": FEW_HINTS | {"model.entropy.z_channels": "[0, 0, 1]"},
}
"""Options over those of the model and of `training`."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, measures and prints the table."""
    parser = common.parser(__doc__)
    common.add_training(parser, 600)
    parser.add_argument("--model", default="tiny-frozen", help="bundled model or model file (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=VARIATIONS, help="variations to train and compare (all)")
    options = parser.parse_args(arguments)
    pictures = all_pictures(options.pictures)
    names = [NONE, *(name for name in options.only or VARIATIONS if name != NONE)]
    rows = measure({name: trained(name, options) for name in names}, pictures)
    notes = [
        f"{len(pictures)} pictures; {options.steps} steps each from {options.model}, whose indices they code.",
        "per cent: bits of whole files against the first line; z: share of hyper-latents in them at the first ratios.",
    ]
    headings = ["hyperpriors", *(f"{common.triple(ratios)} %" for ratios in REPORTED_RATIOS), "z %", "decoding"]
    common.show(rows, title="Hyperpriors", path=options.out / "hyperpriors.json", notes=notes, headings=headings)


def training(name: str, model: str, steps: int, cache: Path) -> list[str]:
    """Arguments of a variation's training; all variations share the cached features."""
    fields = [part for key, value in VARIATIONS[name].items() for part in (f"--{key}", value)]
    rates = {"entropy_learning_rate": "1e-3", "warmup_steps": "30", "z_warmup": str(steps // 3)}
    fields += [part for key, value in rates.items() for part in (f"--training.{key}", value)]
    return [
        "--stage",
        "hyperprior",
        "--init",
        model,
        "--training.steps",
        str(steps),
        "--cache",
        str(cache),
        *fields,
    ]


def trained(name: str, options: argparse.Namespace) -> Path:
    """The model file of a variation, trained where it is not there yet."""
    folder = options.out / name.replace(", ", "-").replace(" ", "-")
    return common.train(folder, options, *training(name, options.model, options.steps, options.out / "features"))


def measure(models: Mapping[str, Path], pictures: Sequence[Path]) -> list[dict[str, Any]]:
    """Files of the same indices by every model, at all reported ratios; the rows of the table.

    Raises:
        ModelError: a model codes other indices than the first one.
    """
    codecs = {name: hvqcgic.load(path) for name, path in models.items()}
    bits = {name: np.zeros(len(REPORTED_RATIOS)) for name in models}
    z_bits, seconds = dict.fromkeys(models, 0.0), dict.fromkeys(models, 0.0)
    for path in track(pictures, "coding", transient=True, disable=not sys.stderr.isatty()):
        for place, ratios in enumerate(REPORTED_RATIOS):
            expected = None
            for name, codec in codecs.items():
                encoded = codec.encode(path, ratios=ratios)
                written = codec.write(encoded)
                bits[name][place] += 8 * len(written.data) / (encoded.width * encoded.height)
                z_bits[name] += 0 if place else written.parts["z"] / (encoded.width * encoded.height)
                began = time.process_time()
                decoded = codec.read(written.data)
                seconds[name] += time.process_time() - began
                expected = expected or decoded.indices
                if any(not np.array_equal(decoded.indices[g], own) for g, own in expected.items()):
                    raise ModelError(f"{models[name]}: codes other indices than the first; --force trains it anew")
    first = next(iter(models))
    return [
        {"hyperpriors": name}
        | {
            f"{common.triple(ratios)} %": round(100 * float(bits[name][place] / bits[first][place] - 1), 2)
            for place, ratios in enumerate(REPORTED_RATIOS)
        }
        | {"z %": round(100 * z_bits[name] / bits[name][0], 2)}
        | {"decoding": round(seconds[name] / seconds[first], 2)}
        | {"bpp": [round(float(b) / len(pictures), 4) for b in bits[name]]}
        for name in models
    ]


if __name__ == "__main__":
    sys.exit(common.call(main))
