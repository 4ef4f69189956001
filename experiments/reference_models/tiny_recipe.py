"""The trainings and conversions that the `tiny` models are made of, in order; train_tiny.py takes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MANY_CODES, CODES = 1024, 512


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
_MORE_ALEX = ("further_perceptual=[squeeze,alex]",)
_WITH_VGG = ("further_perceptual=[vgg,alex,squeeze]",)
_WITH_ALL = ("further_perceptual=[squeeze,alex,vgg,squeeze]",)
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


def _short(name: str, start: str, *options: str, seed: int = 0) -> Training:
    """A short joint training of `tiny` from a point near its optimum, to be averaged with others from there."""
    options = (*_JOINT, *_GENTLER, f"training.seed={seed}", *options)
    return Training(name, "joint", 600, (start,), options, config="tiny")


def _mean(name: str, *start: str) -> Conversion:
    """The mean of the weights of checkpoints; =SHARE behind a name gives it another share than 1."""
    return Conversion(name, "tools.average_checkpoints", start)


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
    _short("w46", "w45/hyperprior.ckpt", *_BY_DISTORTION),
    _short("w47", "w45/hyperprior.ckpt", *_MORE_ALEX, *_BY_DISTORTION),
    _short("w48", "w45/hyperprior.ckpt", *_WITH_VGG),
    _mean("mean.ckpt", "w46/joint.ckpt", "w45/hyperprior.ckpt", "w47/joint.ckpt", "w48/joint.ckpt=0.6"),
    _fitted("w49", ("mean.ckpt",), "", *_SLOWER, *_BY_DISTORTION, steps=900),
    # The same twice more.
    _short("w50", "w49/hyperprior.ckpt", *_WITH_VGG, *_BY_DISTORTION),
    *(_short(f"w{50 + n}", "w49/hyperprior.ckpt", *_BY_DISTORTION, seed=100 + n) for n in (1, 2, 3)),
    _short("w54", "w49/hyperprior.ckpt", *_WITH_VGG, *_BY_DISTORTION, seed=104),
    _mean("mean-2.ckpt", "w49/hyperprior.ckpt", *(f"w{n}/joint.ckpt" for n in (51, 52, 53, 54, 50))),
    _short("w55", "mean-2.ckpt", *_BY_DISTORTION, seed=105),
    _short("w56", "mean-2.ckpt", *_WITH_VGG, *_BY_DISTORTION, seed=106),
    _short("w57", "mean-2.ckpt", *_BY_DISTORTION, seed=107),
    _short("w58", "mean-2.ckpt", *_WITH_ALL, *_BY_DISTORTION, seed=108),
    _mean("mean-3.ckpt", "mean-2.ckpt", *(f"w{n}/joint.ckpt" for n in (55, 56, 57, 58))),
    _fitted("w59", ("mean-3.ckpt",), "tiny.safetensors", *_SLOWER, *_BY_DISTORTION, steps=1200),
    Training("v15", "reverse", 600, ("tiny.safetensors",), model="tiny-reverse.safetensors", config="reverse"),
    # The paper's entropy model, from the picture networks of w31 to those of tiny-frozen, then the rate in the loss.
    _paper("h6", 2500, ("w33/hyperprior.ckpt",), "training.z_warmup=1000"),
    _paper("h7", 3000, ("h6/hyperprior.ckpt",), "training.z_warmup=0", "training.final_learning_rate=0.05"),
    Training("h8", "joint", 500, ("h7/hyperprior.ckpt",), _JOINT, config="tiny-hvq"),
    _paper("h9", 1500, ("h8/joint.ckpt", "w35/backbone.ckpt"), *_SLOWER),
    Training("h10", "joint", 500, ("h9/hyperprior.ckpt",), _JOINT + _SHARPER, config="tiny-hvq"),
    _paper("h11", 1000, ("h10/joint.ckpt", "w41/backbone.ckpt"), *_SLOWER),
    Training("h12", "joint", 500, ("h11/hyperprior.ckpt",), _JOINT + _SHARPER, "tiny-hvq.safetensors", "tiny-hvq"),
)
