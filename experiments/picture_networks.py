"""Width against depth of the picture networks, at equal multiplications a pixel and equal steps.

    python experiments/picture_networks.py PICTURES... --out FOLDER [--steps 1000] [--data PICTURES] [--only NAMES...]

Trains stage backbone of configs/tiny.yaml from fresh weights, with widths and numbers of residual blocks that need
about as many multiplications, and codes pictures with static Huffman codes along the ratio path. Weights and
multiplications are those of encoder and decoder.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import common
import torch
from torch.utils.flop_counter import FlopCounterMode

from hvqcgic.files import all_pictures
from hvqcgic.models import BackboneConfig, GranularityMap, ModelConfig, PictureModel

EVEN = "even"
VARIATIONS: Mapping[str, BackboneConfig] = {
    EVEN: BackboneConfig((32, 64, 96, 96), (0, 2, 2, 1), (32, 64, 96, 96), (1, 3, 3, 2)),
    "wide": BackboneConfig((32, 80, 128, 128), (0, 1, 1, 1), (32, 80, 128, 128), (1, 2, 1, 1)),
    "deep": BackboneConfig((32, 48, 72, 72), (0, 4, 4, 2), (32, 48, 72, 72), (1, 6, 5, 4)),
    "fine": BackboneConfig((32, 80, 80, 80), (0, 2, 1, 1), (32, 80, 80, 80), (1, 3, 1, 1)),
}
"""`fine` does more of its work at H/4, and has two thirds of the weights; so do the default networks."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, evaluates and prints the table."""
    parser = common.parser(__doc__)
    common.add_training(parser, 1000)
    parser.add_argument("--only", nargs="+", choices=VARIATIONS, help="variations to train and compare (all)")
    parser.add_argument("--points", default="path=0.1..0.9:4", help="places on the ratio path (%(default)s)")
    parser.add_argument("--metrics", nargs="+", default=["lpips_alex", "lpips_squeeze", "psnr_db"], metavar="NAME")
    options = parser.parse_args(arguments)
    all_pictures(options.pictures)
    names = [EVEN, *(name for name in options.only or VARIATIONS if name != EVEN)]
    labels = {name: f"hvqcgic:{trained(name, options)}+static-huffman" for name in names}
    done = common.evaluate(options, [f"{label}@{options.points}" for label in labels.values()], metrics=options.metrics)
    compared = common.compare(done, labels[EVEN])
    rows = [
        {"picture networks": name} | cost(VARIATIONS[name]) | compared.get(label, {}) for name, label in labels.items()
    ]
    notes = [f"{options.steps} steps each from fresh weights, {options.precision}.", *compared.notes]
    path = options.out / "picture_networks.json"
    common.show(rows, title="Width against depth", path=path, notes=notes)


def training(name: str, steps: int) -> list[str]:
    """Arguments of a variation's training."""
    return [*common.fresh_backbone(steps), "--model.backbone", json.dumps(dataclasses.asdict(VARIATIONS[name]))]


def trained(name: str, options: argparse.Namespace) -> Path:
    """The model file of a variation, trained where it is not there yet."""
    return common.train(options.out / name, options, *training(name, options.steps))


def cost(config: BackboneConfig) -> common.Cells:
    """Weights of encoder and decoder, and their multiplications a pixel with all cells fine."""
    model = PictureModel(ModelConfig(backbone=config))
    side = 64
    sizes = {"coarse": side // 16, "medium": side // 8, "fine": side // 4}
    masks = {g: torch.full((1, 1, size, size), g == "fine") for g, size in sizes.items()}
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        features = model.encoder(torch.rand(1, 3, side, side))
        model.decoder(features["fine"], GranularityMap(**masks))
    weights = sum(weight.numel() for part in (model.encoder, model.decoder) for weight in part.parameters())
    return {"weights": weights, "multiplications": round(counter.get_total_flops() / 2 / side**2)}


if __name__ == "__main__":
    sys.exit(common.call(main))
