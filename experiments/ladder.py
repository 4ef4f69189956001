"""The ladder from static Huffman coding to the whole codec, each rung at equal steps.

    python experiments/ladder.py PICTURES... --out FOLDER [--steps 600] [--data PICTURES] [--backbone tiny-frozen]

All rungs start from one backbone that was trained on distortion alone, and from fresh entropy networks. Rungs with a
learned entropy model take --steps steps of stage hyperprior on the fixed backbone; joint training takes half of them so
and half in stage joint. Rates are of whole files at the backbone's default ratios. Up to the rung "+ coded map", the
coded map's bits in the file are replaced by those of the raw map, which is exact, as the map stands before everything
else in the stream.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch

import hvqcgic
from hvqcgic.files import write_atomically
from hvqcgic.picture import read_picture

NOT_BUILT = "not built yet"


@dataclass(frozen=True)
class Rung:
    """A model in a coding mode.

    Attributes:
        name: what is new on it.
        model: folder of its training within OUT, or "" for the backbone as it is.
        options: of the training, over those of configs/tiny.yaml.
        mode: of coding; "" where this project cannot do it yet.
        raw_map: count the raw map in place of the coded one.
    """

    name: str
    model: str = ""
    options: tuple[str, ...] = ()
    mode: str = "adaptive"
    raw_map: bool = True


PAPER = ("--model.entropy.form", "diagonal", "--model.entropy.schedule", "[coarse, medium, fine]")
RUNGS = (
    Rung("static Huffman", mode="static-huffman"),
    Rung("static arithmetic", mode="static-arithmetic"),
    Rung("+ static-prior RDO", mode=""),
    Rung("hyperprior", "hyperprior", (*PAPER, "--model.entropy.log_prior", "false")),
    Rung("+ log-prior", "log-prior", PAPER),
    Rung("+ context passes", "context", PAPER[:2]),
    Rung("+ learned features of codes", "learned"),
    Rung("+ coded map", "learned", raw_map=False),
    Rung("joint training", "joint", raw_map=False),
    Rung("+ RDO", mode="", raw_map=False),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, measures and prints the table."""
    parser = common.parser(__doc__)
    common.add_training(parser, 600)
    parser.add_argument("--backbone", default="tiny-frozen", help="bundled model or model file (%(default)s)")
    options = parser.parse_args(arguments)
    pictures = common.pictures_of(options.pictures)
    start = backbone_alone(options.backbone, options.out / "backbone.ckpt")
    rows: list[dict[str, Any]] = []
    before = None
    for rung in RUNGS:
        if not rung.mode:
            rows.append({"rung": rung.name, "note": NOT_BUILT})
            continue
        model = trained(rung, start, options) if rung.model else options.backbone
        found = measure(str(model), rung, pictures)
        gain = None if before is None else round(100 * (found["bpp"] / before - 1), 1)
        rows.append({"rung": rung.name, "step %": gain} | found)
        before = found["bpp"]
    first = rows[0]["bpp"]
    for row in rows:
        if "bpp" in row:
            row["all %"] = round(100 * (row["bpp"] / first - 1), 1)
    notes = [
        f"{len(pictures)} pictures; {options.steps} steps a rung from {options.backbone}.",
        "hyperprior: the paper's prior (Mahalanobis softmax, one pass a cell size; a pass sees the coarser ones).",
        "Joint training changes the picture too: compare its rate together with its PSNR.",
    ]
    headings = ["rung", "bpp", "step %", "all %", "PSNR (dB)", "note"]
    common.show(rows, title="The ladder", path=options.out / "ladder.json", notes=notes, headings=headings)


def backbone_alone(model: str, path: Path) -> Path:
    """A model's backbone as a checkpoint of its stage, so that no rung starts from what another has learnt."""
    from hvqcgic.training.thaw import thawed_checkpoint

    checkpoint = thawed_checkpoint(model)
    checkpoint["hyper_parameters"]["stage"] = "backbone"
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    write_atomically(path, buffer.getvalue(), force=True)
    return path


def trained(rung: Rung, start: Path, options: Any) -> Path:
    """The model file of a rung, trained where it is not there yet."""
    folder, half = options.out / rung.model, options.steps // 2
    base = ("--config", str(common.ROOT / "configs/tiny.yaml"))
    if rung.model != "joint":
        stage = ("--stage", "hyperprior", "--training.steps", str(options.steps), "--init", str(start))
        return common.train(folder, options, *base, *stage, *rung.options)
    stages = ("--stage", "all", "--backbone_steps", "0", "--hyperprior_steps", str(half))
    joint = ("--training.steps", str(options.steps - half), "--training.learning_rate", "2e-4")
    return common.train(folder, options, *base, *stages, *joint, "--init", str(start))


def measure(model: str, rung: Rung, pictures: Sequence[Path]) -> dict[str, Any]:
    """Mean bpp of the files and mean PSNR of the pictures in them."""
    codec = hvqcgic.load(model)
    ratios = codec.config.default_ratios
    bpp, psnr_db = [], []
    for path in pictures:
        encoded = codec.encode(path, ratios=ratios)
        written = codec.write(encoded, coding=rung.mode)
        bits = 8 * len(written.data)
        if rung.raw_map:
            raw = codec.write(encoded, coding="fixed-length").parts["map"]
            bits += raw - written.parts["map"]
        bpp.append(bits / (encoded.width * encoded.height))
        difference = np.asarray(codec.reconstruct(encoded), np.float64) - read_picture(path)
        psnr_db.append(10 * np.log10(255**2 / np.square(difference).mean()))
    return {"bpp": round(float(np.mean(bpp)), 4), "PSNR (dB)": round(float(np.mean(psnr_db)), 2)}


if __name__ == "__main__":
    sys.exit(common.call(main))
