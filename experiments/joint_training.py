"""What the choices of joint training are worth: each variation alone, from one start and for equal steps.

    python experiments/joint_training.py PICTURES... --out FOLDER [--steps 300] [--data PICTURES] [--only NAMES...]

Every variation starts from the networks of --start, all of them, and takes --steps steps of stage joint with the
settings of the bundled `tiny` but for a lambda of 0.03 at all ratios; those named recipe have its lambda and AdamW
unless they name another lambda or Muon, and recipe-frozen trains the entropy model alone. The table gives bytes at
equal quality along the ratio path against the first line, and those of files at the same ratios. The choices of the
recipe were made on validation pictures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import common
import numpy as np

from hvqcgic.files import all_pictures

MUON = ("--training.optimiser", "muon", "--training.learning_rate", "0.0001")
RECIPE = ("--lambda", "0.08", "--training.lmbda_slope", "0.6", "--pictures.downscale", "1.0")
"""Rate and crops of the bundled `tiny`."""

VARIATIONS: Mapping[str, tuple[str, ...]] = {
    "as-configured": (),
    "no-rate-gradient": ("--training.rate_gradient", "none"),
    "lambda-0.1": ("--lambda", "0.1"),
    "lambda-0.3": ("--lambda", "0.3"),
    "lambda-1": ("--lambda", "1.0"),
    "lambda-0.15-by-cells": ("--lambda", "0.15", "--training.lmbda_slope", "0.6"),
    "lambda-0.3-by-cells": ("--lambda", "0.3", "--training.lmbda_slope", "0.6"),
    "tau-0.3": ("--training.tau", "0.3"),
    "rdo-choice-0.1": ("--training.rdo_choice", "0.1"),
    "decoder-reads-prior": ("--model.backbone.decoder_prior", "true"),
    "crops-256": ("--pictures.crop_px", "256", "--pictures.batch_size", "2"),
    "no-downscaling": ("--pictures.downscale", "1.0"),
    "discriminator": ("--training.adversarial_weight", "0.3"),
    "recipe-frozen": (*RECIPE, "--stage", "hyperprior"),
    "recipe": RECIPE,
    "recipe-lambda-0.02": (*RECIPE, "--lambda", "0.02"),
    "recipe-lambda-0.2": (*RECIPE, "--lambda", "0.2"),
    "recipe-muon": (*RECIPE, *MUON),
    "recipe-muon-lambda-0.2": (*RECIPE, *MUON, "--lambda", "0.2"),
    "recipe-muon-3e-4-lambda-0.2": (*RECIPE, *MUON, "--training.learning_rate", "0.0003", "--lambda", "0.2"),
    "recipe-muon-lambda-0.4": (*RECIPE, *MUON, "--lambda", "0.4"),
    "usage": (*RECIPE, *MUON, "--lambda", "0.2", "--training.usage_weight", "0.5"),
    "usage-lambda-0.4": (*RECIPE, *MUON, "--lambda", "0.4", "--training.usage_weight", "0.5"),
    "annealed-eta": (*RECIPE, *MUON, "--lambda", "0.2", "--training.rdo_choice", "0.2", "--training.rdo_warmup", "300"),
}
"""Options over those of `training`; eta rises over the default number of steps (400 for the table of results)."""

SETTINGS = (
    *("--lambda", "0.03", "--training.lmbda_slope", "0"),
    *("--training.lmbda_warmup", "1", "--training.warmup_steps", "30"),
    *("--training.learning_rate", "3e-4", "--training.entropy_learning_rate", "1.5e-3"),
    *("--training.final_learning_rate", "0.02", "--training.codebook_decay", "0.9967"),
    *("--training.codebook_slowdown", "3", "--training.favoured_share", "0.3"),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, evaluates and prints the table."""
    parser = common.parser(__doc__)
    common.add_training(parser, 300)
    parser.add_argument("--start", default="tiny-frozen", help="bundled model or model file (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=VARIATIONS, help="variations, compared with the first one (all)")
    parser.add_argument("--points", default="path=0.1..0.9:4", help="places on the ratio path (%(default)s)")
    parser.add_argument("--metrics", nargs="+", default=["lpips_alex", "lpips_squeeze", "psnr_db"], metavar="NAME")
    options = parser.parse_args(arguments)
    all_pictures(options.pictures)
    names = list(dict.fromkeys(options.only or VARIATIONS))
    labels = {name: f"hvqcgic:{trained(name, options)}" for name in names}
    done = common.evaluate(options, [f"{label}@{options.points}" for label in labels.values()], metrics=options.metrics)
    compared = common.compare(done, labels[names[0]])
    rates = {name: [point.bpp for point in done.means if point.codec == label] for name, label in labels.items()}
    rows = [
        {"training": name, "files %": round(100 * float(np.mean(np.divide(rates[name], rates[names[0]])) - 1), 1)}
        | compared.get(label, {})
        for name, label in labels.items()
    ]
    notes = [
        f"{options.steps} steps each from {options.start}, {options.precision}; files: mean over {options.points}.",
        *compared.notes,
    ]
    common.show(rows, title="Choices of joint training", path=options.out / "joint_training.json", notes=notes)


def training(name: str, options: argparse.Namespace) -> list[str]:
    """Arguments of a variation's training."""
    config = ["--config", "tiny", "--stage", "joint", "--init", options.start]
    return [*config, "--training.steps", str(options.steps), *SETTINGS, *VARIATIONS[name]]


def trained(name: str, options: argparse.Namespace) -> Path:
    """The model file of a variation, trained where it is not there yet."""
    return common.train(options.out / name, options, *training(name, options))


if __name__ == "__main__":
    sys.exit(common.call(main))
