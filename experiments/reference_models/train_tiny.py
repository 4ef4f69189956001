r"""The trainings of `tiny`, `tiny-frozen`, `tiny-hvq` and `tiny-reverse`, in order, by their names in LOG.md.

    python experiments/reference_models/train_tiny.py --data PICTURES --val PICTURES --out runs/tiny
    python experiments/reference_models/train_tiny.py --data 'shards/*.tar' --val val/ --out runs/long --scale 10 \
        -- --pictures.batch_size 64 --pictures.prefixes '[cid22,pixls]'

The shipped models saw the pictures of the prefixes in line w0 of LOG.md, which are freely licensed, and no others.

OUT gets a folder for each training and the model files. --scale multiplies the steps; what follows a double
hyphen are options of `python -m hvqcgic.train`, given to each training after its own. The same command goes on where
it was broken off. On one core it took some sixteen hours, ten of them up to w23: the picture networks from w10 to w22
and from w35 on with `--precision bf16-mixed` on a processor with AVX-512 bf16.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MANY_CODES, CODES = 1024, 512

Runner = Callable[[str, Sequence[str]], int]
"""Runs a module's command line, such as "hvqcgic.train", and returns its exit code."""


def _networks(widths: str, encoder_blocks: str, decoder_blocks: str) -> tuple[str, ...]:
    """Options of picture networks whose encoder and decoder are as wide."""
    values = (widths, encoder_blocks, widths, decoder_blocks)
    names = ("encoder_widths", "encoder_blocks", "decoder_widths", "decoder_blocks")
    return tuple(f"model.backbone.{name}={value}" for name, value in zip(names, values, strict=True))


TINY_1 = str(Path(__file__).with_name("tiny-1.yaml"))
"""Configuration of the models before the present ones, whose picture networks the present ones started from."""

_EVEN = _networks("[32,64,96,96]", "[0,2,2,1]", "[1,3,3,2]")
_FINER = _networks("[32,80,96,96]", "[0,2,1,1]", "[1,3,1,1]")
_SHARP = ("pictures.downscale=1",)
_GOING_ON = ("training.lpips_start=0", "training.warmup_steps=30")
_HIGH_RATE = (*_GOING_ON, "training.learning_rate=6e-4", "training.final_learning_rate=0.5")
_BATCHES_OF_4 = ("pictures.batch_size=4", "training.codebook_decay=0.9975")
_SMOOTHED = ("training.codebook_decay=0.9967", "training.ema_decay=0.998")
_TO_REST = (*_GOING_ON, *_SMOOTHED, "training.learning_rate=6e-4", "training.final_learning_rate=0.02")
_ALL_RATES = ("training.favoured_share=0.3",)
_FROM_HIGH_TO_REST = (*_TO_REST, *_ALL_RATES, "training.learning_rate=5e-4")
_ENTROPY = (
    *_ALL_RATES,
    "training.warmup_steps=30",
    "training.learning_rate=2e-3",
    "training.final_learning_rate=0.02",
)
_ON_MEANS = (*_ALL_RATES, *_SHARP, "training.warmup_steps=30")
_WIDE_RANGE = ("model.entropy.activation_limit=32",)
_PICTURES = (
    *_ON_MEANS,
    "training.optimiser=muon",
    "training.learning_rate=1.5e-4",
    "training.final_learning_rate=0.02",
    "training.codebook_decay=0.9967",
    "training.ema_decay=0.998",
    "training.lpips_start=0",
    "further_perceptual=[squeeze]",
)
_MORE_LPIPS = ("training.lpips_weight=0.5",)
_LONGER = (*_PICTURES, *_WIDE_RANGE, *_MORE_LPIPS, "training.learning_rate=2.5e-4")
_JOINT = (
    *_PICTURES,
    "training.learning_rate=1e-4",
    "training.ema_decay=0",
    "lambda=0.2",
    "training.lmbda_slope=0.6",
    "training.lmbda_warmup=1",
    "training.z_warmup=0",
    "training.codebook_slowdown=3",
    "training.entropy_learning_rate=1e-3",
)
_SHARPER = (*_MORE_LPIPS, "lambda=0.25")
_GENTLER = (*_MORE_LPIPS, "lambda=0.1")
_MORE_ALEX = (*_JOINT, *_GENTLER, "further_perceptual=[squeeze,alex]")
_WITH_VGG = (*_JOINT, *_GENTLER, "further_perceptual=[vgg,alex,squeeze]")
_BY_DISTORTION = ("training.rd_share=0.6",)
_CODES = (*_ON_MEANS, "training.entropy_learning_rate=2e-3", "training.final_learning_rate=0.02")
_SLOWER = ("training.z_warmup=0", "training.entropy_learning_rate=1e-3")


@dataclass(frozen=True)
class Training:
    """A line of the log.

    Attributes:
        name: its folder.
        stage: see `python -m hvqcgic.train --help`.
        steps: at --scale 1.
        start: checkpoints or model files within OUT that it starts from, later ones over earlier ones.
        options: NAME=VALUE, over those of the configuration.
        model: file that it becomes, "" where only other trainings start from it.
        config: the configuration.
        cached: train on cached features, OUT/features.
    """

    name: str
    stage: str
    steps: int
    start: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    model: str = ""
    config: str = TINY_1
    cached: bool = False


@dataclass(frozen=True)
class Conversion:
    """A checkpoint that a tool makes of others.

    Attributes:
        name: its file within OUT.
        tool: module of the tool.
        start: checkpoints within OUT that it is made of.
        options: NAME=VALUE, of the tool.
    """

    name: str
    tool: str
    start: tuple[str, ...]
    options: tuple[str, ...] = ()


def _fitted(name: str, start: tuple[str, ...], model: str, *options: str, steps: int = 1800) -> Training:
    """The entropy model of configs/tiny.yaml, trained to rest on fixed picture networks."""
    options = (*_CODES, "training.z_warmup=0", *options)
    return Training(name, "hyperprior", steps, start, options, model, config="tiny", cached=True)


def _paper(name: str, steps: int, start: tuple[str, ...], *options: str) -> Training:
    """The paper's entropy model, of configs/tiny-hvq.yaml, on fixed picture networks."""
    return Training(name, "hyperprior", steps, start, (*_CODES, *options), config="tiny-hvq", cached=True)


RECIPE: tuple[Training | Conversion, ...] = (
    # Finds its features with many codes, which are merged then.
    Training(
        name="w0",
        stage="backbone",
        steps=7500,
        options=(
            *_EVEN,
            f"model.codebook_size={MANY_CODES}",
            "pictures.batch_size=4",
            "training.learning_rate=8e-4",
            "training.final_learning_rate=0.2",
            "training.codebook_start=300",
        ),
    ),
    Conversion("merged.ckpt", "tools.resize_codebook", ("w0/backbone.ckpt",), (f"codes={CODES}",)),
    Training("w1", "backbone", 6000, ("merged.ckpt",), _EVEN + _HIGH_RATE + _BATCHES_OF_4),
    Training("w2", "backbone", 1600, ("w1/backbone.ckpt",), _EVEN + _TO_REST),
    Training("w4", "backbone", 6000, ("w2/backbone.ckpt",), _EVEN + _HIGH_RATE + _BATCHES_OF_4),
    Training("w5", "backbone", 1700, ("w4/backbone.ckpt",), _EVEN + _TO_REST + _ALL_RATES),
    Training("w10", "backbone", 9000, ("w5/backbone.ckpt",), _EVEN + _HIGH_RATE + _SMOOTHED + _ALL_RATES),
    Training("w16", "backbone", 6000, ("w10/backbone.ckpt",), _EVEN + _HIGH_RATE + _SMOOTHED + _ALL_RATES),
    Training("w17", "backbone", 1700, ("w16/backbone.ckpt",), _EVEN + _FROM_HIGH_TO_REST),
    Training("e0", "hyperprior", 5000, ("w5/backbone.ckpt",), _EVEN + _ENTROPY + ("training.final_learning_rate=0.2",)),
    # More channels at H/4, fewer blocks below: the networks of configs/tiny.yaml.
    Conversion("finer.ckpt", "tools.resize_networks", ("w17/backbone.ckpt",), _FINER),
    Conversion("finer-e0.ckpt", "tools.resize_networks", ("e0/hyperprior.ckpt",), _FINER),
    Training("w21", "backbone", 20_000, ("finer.ckpt",), _HIGH_RATE + _SMOOTHED + _ALL_RATES + _SHARP),
    # On distortion alone, then the entropy model on it, fixed.
    Training("w22", "backbone", 1700, ("w21/backbone.ckpt",), _FROM_HIGH_TO_REST + _SHARP),
    Training(
        name="w23",
        stage="hyperprior",
        steps=2500,
        start=("finer-e0.ckpt", "w22/backbone.ckpt"),
        options=_ENTROPY + _SHARP,
        model="tiny-frozen-1.safetensors",
    ),
    # From there on with local means, hyperpriors and coarse grids: configs/tiny.yaml.
    Training(
        name="w30",
        stage="hyperprior",
        steps=2200,
        start=("tiny-frozen-1.safetensors",),
        options=(*_CODES, *_WIDE_RANGE, "training.final_learning_rate=0.2", "training.z_warmup=1000"),
        config="tiny",
        cached=True,
    ),
    # On distortion alone, then the entropy model on it, fixed.
    Training("w31", "backbone", 2200, ("tiny-frozen-1.safetensors",), _PICTURES + _WIDE_RANGE, config="tiny"),
    _fitted("w33", ("w30/hyperprior.ckpt", "w31/backbone.ckpt"), "", *_WIDE_RANGE, steps=2200),
    # More of the same, with more weight on LPIPS, then the entropy model again, its activations in a narrower range.
    Training("w35", "backbone", 6000, ("w33/hyperprior.ckpt",), _LONGER, config="tiny"),
    _fitted("w38", ("w33/hyperprior.ckpt", "w35/backbone.ckpt"), "", steps=2200),
    Training("w41", "backbone", 6000, ("w35/backbone.ckpt",), _LONGER, config="tiny"),
    _fitted("w42", ("w38/hyperprior.ckpt", "w41/backbone.ckpt"), "tiny-frozen.safetensors"),
    # The same with the rate in the loss, a proxy decoder for it, then the entropy model on cells chosen with the proxy.
    _fitted("w43", ("w38/hyperprior.ckpt", "w41/backbone.ckpt"), "", steps=700),
    Training(
        name="w44",
        stage="joint",
        steps=1800,
        start=("w43/hyperprior.ckpt",),
        options=_JOINT + _GENTLER,
        model="tiny-joint.safetensors",
        config="tiny",
    ),
    Training("px2", "proxy", 1300, ("tiny-joint.safetensors",), model="tiny-joint.safetensors", config="proxy"),
    _fitted("w45", ("tiny-joint.safetensors",), "", *_BY_DISTORTION),
    # Three short ways from there, two with other networks of LPIPS; their mean and the start's is better than each.
    Training("w46", "joint", 600, ("w45/hyperprior.ckpt",), _JOINT + _GENTLER + _BY_DISTORTION, config="tiny"),
    Training("w47", "joint", 600, ("w45/hyperprior.ckpt",), _MORE_ALEX + _BY_DISTORTION, config="tiny"),
    Training("w48", "joint", 600, ("w45/hyperprior.ckpt",), _WITH_VGG, config="tiny"),
    Conversion(
        name="mean.ckpt",
        tool="tools.average_checkpoints",
        start=("w46/joint.ckpt", "w45/hyperprior.ckpt", "w47/joint.ckpt", "w48/joint.ckpt=0.6"),
    ),
    _fitted("w49", ("mean.ckpt",), "tiny.safetensors", *_SLOWER, *_BY_DISTORTION, steps=900),
    Training("v14", "reverse", 600, ("tiny.safetensors",), model="tiny-reverse.safetensors", config="reverse"),
    # The paper's entropy model, from the picture networks of w31 to those of tiny-frozen, then the rate in the loss.
    _paper("h6", 2500, ("w33/hyperprior.ckpt",), "training.z_warmup=1000"),
    _paper("h7", 3000, ("h6/hyperprior.ckpt",), "training.z_warmup=0", "training.final_learning_rate=0.05"),
    Training("h8", "joint", 500, ("h7/hyperprior.ckpt",), _JOINT, config="tiny-hvq"),
    _paper("h9", 1500, ("h8/joint.ckpt", "w35/backbone.ckpt"), *_SLOWER),
    Training("h10", "joint", 500, ("h9/hyperprior.ckpt",), _JOINT + _SHARPER, config="tiny-hvq"),
    _paper("h11", 1000, ("h10/joint.ckpt", "w41/backbone.ckpt"), *_SLOWER),
    Training("h12", "joint", 500, ("h11/hyperprior.ckpt",), _JOINT + _SHARPER, "tiny-hvq.safetensors", "tiny-hvq"),
)


def in_its_own_process(module: str, arguments: Sequence[str]) -> int:
    """A `Runner`; trainings with several processes start their others by their own command line."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, check=False).returncode


def main(arguments: Sequence[str] | None = None, run: Runner = in_its_own_process) -> int:
    """Exit code: 0, or that of the program that failed, whose message stands above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="training pictures, as of hvqcgic.train")
    parser.add_argument("--val", required=True, help="validation pictures, likewise")
    parser.add_argument("--out", type=Path, required=True, help="folder for trainings and models")
    parser.add_argument("--scale", type=float, default=1.0, help="times as many steps (%(default)s)")
    parser.add_argument("options", nargs="*", metavar="OPTION", help="of each training, after --")
    options = parser.parse_args(arguments)
    code = 0
    for step in RECIPE:
        code = code or (take(step, options, run) if isinstance(step, Training) else convert(step, options, run))
    return code


def take(training: Training, options: argparse.Namespace, run: Runner) -> int:
    """Trains and exports; returns an exit code."""
    folder, steps = options.out / training.name, max(1, round(options.scale * training.steps))
    print(f"== {training.name}: stage {training.stage}, {steps} steps", flush=True)
    command = ["--config", training.config, "--stage", training.stage, "--out", str(folder)]
    command += ["--data", options.data, "--val", options.val, "--resume", "true"]
    if training.start:
        command += ["--init", *(str(options.out / name) for name in training.start)]
    command += ["--cache", str(options.out / "features")] if training.cached else []
    command += [f"--{option}" for option in (*training.options, f"training.steps={steps}")] + options.options
    code = run("hvqcgic.train", command)
    if code or not training.model:
        return code
    command = [str(folder / f"{training.stage}.ckpt"), "-o", str(options.out / training.model), "--force"]
    return run("hvqcgic.export", [*command, "--val", options.val])


def convert(conversion: Conversion, options: argparse.Namespace, run: Runner) -> int:
    """Makes the checkpoint, unless an earlier call did; returns an exit code."""
    target = options.out / conversion.name
    if target.exists():
        return 0
    command = [*(str(options.out / name) for name in conversion.start)]
    command += [f"--{option}" for option in conversion.options]
    return run(conversion.tool, [*command, "-o", str(target)])


if __name__ == "__main__":
    sys.exit(main())
