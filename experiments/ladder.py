"""The ladder from static Huffman coding to the whole codec, each rung at equal steps.

    python experiments/ladder.py PICTURES... --out FOLDER [--steps 600] [--data PICTURES] [--backbone tiny-frozen]

All rungs start from one backbone that was trained on distortion alone, and from fresh entropy networks. Rungs with a
learned entropy model take --steps steps of stage hyperprior on the fixed backbone; joint training takes half of them so
and half in stage joint. Rates are of whole files at the backbone's default ratios. Up to the rung "+ coded map", the
coded map's bits in the file are replaced by those of the raw map, which is exact, as the map stands before everything
else in the stream.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import numpy as np

import hvqcgic
from hvqcgic.codec import Codec
from hvqcgic.coder import Encoded
from hvqcgic.files import all_pictures
from hvqcgic.pictures import read_picture
from hvqcgic.rate_control import LpipsAlex, psnr_db


@dataclass(frozen=True)
class Rung:
    """A model in a coding mode.

    Attributes:
        name: what is new on it.
        model: folder of its training within OUT, or "" for the backbone as it is.
        options: of the training, over those of configs/tiny.yaml.
        mode: of coding.
        raw_map: count the raw map in place of the coded one.
        rdo: choose indices by distance and bits, in place of the nearest codes.
    """

    name: str
    model: str = ""
    options: tuple[str, ...] = ()
    mode: str = "adaptive"
    raw_map: bool = True
    rdo: bool = False


Z_CHANNELS = ("--model.entropy.z_channels", "[4, 4, 4]", "--training.z_warmup", "300")
CODEBOOK = (*Z_CHANNELS, "--model.entropy.embedding", "codebook")
ONE_PASS = (*CODEBOOK, "--model.entropy.schedule", "[coarse, medium, fine]")
NO_LOG_PRIOR = ("--model.entropy.log_prior", "false")
RUNGS = (
    Rung("static Huffman", mode="static-huffman"),
    Rung("static arithmetic", mode="static-arithmetic"),
    Rung("+ static-prior RDO", mode="static-arithmetic", rdo=True),
    Rung("hyperpriors", "hyperpriors", (*ONE_PASS, *NO_LOG_PRIOR, "--model.entropy.context", "false")),
    Rung("+ coarser cells", "coarser-cells", (*ONE_PASS, *NO_LOG_PRIOR)),
    Rung("+ log-prior", "log-prior", ONE_PASS),
    Rung("+ context passes", "context", CODEBOOK),
    Rung("+ learned embedding", "learned", Z_CHANNELS),
    Rung("- hyperpriors", "no-hyperpriors"),
    Rung("+ coded map", "no-hyperpriors", raw_map=False),
    Rung("joint training", "joint", raw_map=False),
    Rung("+ RDO", "joint", raw_map=False, rdo=True),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, measures and prints the table."""
    parser = common.parser(__doc__)
    common.add_training(parser, 600)
    parser.add_argument("--backbone", default="tiny-frozen", help="bundled model or model file (%(default)s)")
    parser.add_argument("--eta", type=float, default=0.1, help="weight of a bit where indices are chosen (%(default)s)")
    options = parser.parse_args(arguments)
    pictures = all_pictures(options.pictures)
    start = common.backbone_alone(options.backbone, options.out / "backbone.ckpt")
    rows: list[dict[str, Any]] = []
    before = None
    for rung in RUNGS:
        model = trained(rung, start, options) if rung.model else options.backbone
        found = measure(str(model), rung, pictures, options.eta)
        gain = None if before is None else round(100 * (found["bpp"] / before - 1), 1)
        rows.append({"rung": rung.name, "step %": gain} | found)
        # What comes next starts from the nearest codes again.
        before = before if rung.rdo else found["bpp"]
    for row in rows:
        row["all %"] = round(100 * (row["bpp"] / rows[0]["bpp"] - 1), 1)
    notes = [
        f"{len(pictures)} pictures; {options.steps} steps a rung from {options.backbone}.",
        "hyperpriors: the paper's prior (Mahalanobis softmax in the space of the codebook, no context).",
        "coarser cells: one pass a cell size, which sees the codes of coarser cells; context passes: seven passes.",
        f"RDO: eta {options.eta:g}; the rung after static-prior RDO starts from the nearest codes again.",
        "Joint training and RDO change the picture too: compare their rates together with PSNR and LPIPS.",
    ]
    headings = ["rung", "bpp", "step %", "all %", "PSNR (dB)", "LPIPS"]
    common.show(rows, title="The ladder", path=options.out / "ladder.json", notes=notes, headings=headings)


def trained(rung: Rung, start: Path, options: Any) -> Path:
    """The model file of a rung, trained where it is not there yet."""
    folder, half = options.out / rung.model, options.steps // 2
    base = ("--config", "tiny")
    if rung.model != "joint":
        stage = ("--stage", "hyperprior", "--training.steps", str(options.steps), "--init", str(start))
        kept = ("--cache", str(options.out / "features"))
        return common.train(folder, options, *base, *stage, *kept, *rung.options)
    stages = ("--stage", "all", "--backbone_steps", "0", "--hyperprior_steps", str(half))
    joint = ("--training.steps", str(options.steps - half), "--training.learning_rate", "2e-4")
    return common.train(folder, options, *base, *stages, *joint, "--init", str(start))


def measure(model: str, rung: Rung, pictures: Sequence[Path], eta: float) -> dict[str, Any]:
    """Mean bpp of the files, and mean PSNR and LPIPS of the pictures in them."""
    codec = hvqcgic.load(model)
    bpp, psnr, lpips = [], [], []
    for path in pictures:
        original = read_picture(path)
        encoded = codec.encode(original, eta=eta if rung.rdo else 0.0, coding=rung.mode)
        bpp.append(file_bits(codec, encoded, rung) / (encoded.width * encoded.height))
        decoded = np.asarray(codec.reconstruct(encoded))
        psnr.append(psnr_db(original, decoded))
        lpips.append(LpipsAlex(original).measure(decoded))
    means = {"bpp": bpp, "PSNR (dB)": psnr, "LPIPS": lpips}
    return {name: round(float(np.mean(values)), 2 if name.startswith("PSNR") else 4) for name, values in means.items()}


def file_bits(codec: Codec, encoded: Encoded, rung: Rung) -> float:
    """Bits of the file of a rung, with the map that it counts."""
    written = codec.write(encoded, coding=rung.mode)
    bits = 8.0 * len(written.data)
    if rung.raw_map:
        bits += codec.write(encoded, coding="fixed-length").parts["map"] - written.parts["map"]
    return bits


if __name__ == "__main__":
    sys.exit(common.call(main))
