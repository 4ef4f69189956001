"""What the decoder gains from being told medium and fine cells where it reaches their grids: Control-GIC, figure 6.

    python experiments/decoder_conditions.py PICTURES... --out FOLDER [--steps 600] [--data PICTURES]

Trains stage backbone of configs/tiny.yaml four times for the same number of steps from the same seed, with other
conditions, and codes pictures with indices of fixed length, so that equal ratios are equal rates. Without a condition,
what its cells know reaches the decoder only through the mean over coarser cells.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import common

from hvqcgic.files import all_pictures
from hvqcgic.models import REPORTED_RATIOS
from hvqcgic.pages import metric_label

NO_MEDIUM, NO_FINE = (f"--model.backbone.condition_{cells}=false" for cells in ("medium", "fine"))
VARIANTS: dict[str, tuple[str, ...]] = {
    "coarse, medium and fine": (),
    "coarse and medium": (NO_FINE,),
    "coarse and fine": (NO_MEDIUM,),
    "coarse alone": (NO_MEDIUM, NO_FINE),
}
"""Which cells a decoder is told, and the options of its training."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, evaluates and prints the table."""
    parser = common.parser(__doc__)
    common.add_training(parser, 600)
    parser.add_argument("--metrics", nargs="+", default=["psnr_db", "lpips_alex", "dists"], metavar="NAME")
    options = parser.parse_args(arguments)
    all_pictures(options.pictures)
    told = {}
    for name in VARIANTS:
        folder = options.out / name.replace(",", "").replace(" ", "-")
        told[f"hvqcgic:{common.train(folder, options, *training(name, options.steps))}+fixed-length"] = name
    points = ";".join("ratios=" + ",".join(map(str, ratios)) for ratios in REPORTED_RATIOS)
    done = common.evaluate(options, [f"{label}@{points}" for label in told], metrics=options.metrics)
    rows = [
        {"the decoder is told": told[point.codec], "ratios f, m, c": point.point.partition("=")[2]}
        | {"bpp, fixed length": round(point.bpp, 4)}
        | {metric_label(name): round(value, 4) for name, value in point.metrics.items()}
        for point in sorted(done.means, key=lambda point: point.point, reverse=True)
    ]
    notes = [
        f"{options.steps} steps each, the same seed, stage backbone on distortion alone.",
        "The values of the published figure are not among the published numbers; there is nothing to print beside.",
    ]
    path = options.out / "decoder_conditions.json"
    common.show(rows, title="Decoder with and without conditions", path=path, notes=notes)


def training(name: str, steps: int) -> list[str]:
    """Arguments of a short training of `tiny`'s backbone from fresh weights."""
    early = str(min(200, steps // 3))
    command = ["--config", "tiny", "--stage", "backbone", "--training.steps", str(steps)]
    return [*command, "--training.codebook_start", early, "--training.lpips_start", early, *VARIANTS[name]]


if __name__ == "__main__":
    sys.exit(common.call(main))
