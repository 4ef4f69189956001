"""The options of `python -m hvqcgic.train`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt

from hvqcgic.cli import new_parser
from hvqcgic.errors import ConfigError
from hvqcgic.models import ModelConfig, ProxyConfig, ReverseConfig
from hvqcgic.training.config import TrainingConfig
from hvqcgic.training.data import PictureDataModule
from hvqcgic.training.processes import Processes
from hvqcgic.training.starts import model_options

NOTHING = "none"
"""Value of --init for random weights."""
CONFIGS = Path(str(resources.files("hvqcgic"))) / "configs"
DEFAULT_CONFIG = CONFIGS / "default.yaml"
"""Configuration of a command that says with none of `_CHOOSING` what is trained."""
FROM_NOTHING = CONFIGS / "tiny.yaml"
"""Configuration of a command that asks for random weights and names none."""
_CHOOSING = {"--config", "--init", "--stage"}


def build_parser() -> ArgumentParser:
    """Build the parser of all options; each option can also stand in a YAML file given with --config."""
    description = (
        "Train a model, stage by stage. Each stage writes OUT/STAGE.ckpt. Without --config, --init and --stage "
        f"this is --config {DEFAULT_CONFIG.stem}: stage joint from the bundled model, about 20 minutes on two cores."
    )
    parser = new_parser("hvqcgic.train", description, example="tiny")
    add_plan(parser)
    add_input(parser)
    add_checkpoints(parser)
    add_machine(parser)
    parser.add_class_arguments(Processes, "trainer")
    parser.add_class_arguments(TrainingConfig, "training", skip={"lmbda"})
    parser.add_class_arguments(PictureDataModule, "pictures", skip={"data", "val", "seed"})
    parser.add_class_arguments(ReverseConfig, "reverse")
    parser.add_class_arguments(ProxyConfig, "proxy")
    parser.add_class_arguments(ModelConfig, "model")
    return parser


def add_plan(parser: ArgumentParser) -> None:
    """Add the options of stages, their steps and lambda."""
    parser.add_argument(
        "--stage",
        type=Literal["backbone", "hyperprior", "joint", "all", "reverse", "proxy"],
        default="all",
        help="what is trained; without --config, --init and --stage it is joint. backbone: trains the picture networks "
        "on the distortion; hyperprior: trains the entropy model on fixed picture networks; joint: trains both on "
        "distortion + lambda * rate; all: these three in order; reverse: trains a reverse path for a frozen model "
        "(--init), which `hvqcgic decompress --steps` uses; proxy: trains a narrow decoder for a frozen model, "
        "by which an encoder chooses granularity maps (--granularity rd) in less time",
    )
    parser.add_argument(
        "--lambda",
        type=Number(),
        default=TrainingConfig.lmbda,
        help="weight of one bit per pixel against the distortion in stage joint, at least 0; 0.01 to 0.3 is the useful "
        "range. A smaller lambda than that of the starting weights (0.25 for the bundled model) gives more bits and "
        "slightly better pictures at the same ratios, a larger one fewer bits and worse pictures. After 100 steps of "
        "the default training, against the bundled model: 0.01 +5.3 % bits, LPIPS -0.0055; 0.08 +1.8 % bits, LPIPS "
        "-0.0036; 0.3 -12.4 % bits, LPIPS +0.0172. More steps change more: 1000 at 0.2 collapse the codes",
    )
    parser.add_argument("--backbone_steps", type=int, default=4500, help="steps of stage backbone with --stage all")
    parser.add_argument(
        "--hyperprior_steps",
        type=int,
        default=1500,
        help="steps of stage hyperprior with --stage all; those of stage joint are --training.steps",
    )


class Number:
    """Type of an option: a number, also nan and inf, so that `training_config` refuses them by the option's name."""

    def __call__(self, value: object) -> float:
        """Read a number of a command line or a YAML file; ValueError if it is none."""
        return float(str(value))

    def __repr__(self) -> str:
        """The name of the type in --help and in errors."""
        return "number"


def add_input(parser: ArgumentParser) -> None:
    """Add the options of pictures and starting weights."""
    parser.add_argument(
        "--data",
        type=str | None,
        default=None,
        help="training pictures: folder, tar file or pattern of tar files; none for the photographs of scikit-image",
    )
    parser.add_argument(
        "--val", type=str | None, default=None, help="validation pictures, likewise; none to hold out some of --data"
    )
    parser.add_argument(
        "--init",
        type=str,
        nargs="+",
        metavar="CKPT",
        help="checkpoints, model files or bundled models with the starting weights of the first stage, or "
        f"{NOTHING} for random weights (--stage is then all, unless it is given); without --config, --init and --stage "
        "it is the bundled model. Weights of "
        "later files replace those of earlier ones. A checkpoint's moving average is used if there is one. "
        "From a checkpoint of stage backbone only the backbone is used: HYPERPRIOR.ckpt BACKBONE.ckpt takes "
        "the entropy networks of the first and the backbone of the second. Model options that are not given "
        "are those of the last file",
    )
    parser.add_argument(
        "--cache",
        type=str | None,
        default=None,
        metavar="DIR",
        help="stage hyperprior: compute the features of each training picture once, store them in this folder "
        "(about 4.3 bytes a pixel), and train on windows of them at multiples of 16 px, without flips and "
        "downscaled crops; later runs with the same backbone and pictures read the stored features. Features "
        "of other backbones are left alone; delete the folder to free the space",
    )


def add_checkpoints(parser: ArgumentParser) -> None:
    """Add the options of output, checkpoints and existing results."""
    parser.add_argument("--out", type=str, default="runs/train", help="folder for checkpoints and TensorBoard files")
    parser.add_argument(
        "--resume", type=bool, default=False, help="continue the stage's checkpoint in --out if there is one"
    )
    parser.add_argument(
        "--save_every",
        type=PositiveInt,
        default=200,
        help="steps between two checkpoints; the last step also writes one",
    )
    parser.add_argument(
        "--force", type=bool, default=False, help="start anew and replace an existing checkpoint in --out"
    )


def add_machine(parser: ArgumentParser) -> None:
    """Add the options of the machine and of the perceptual networks."""
    parser.add_argument(
        "--perceptual",
        type=Literal["alex", "vgg", "squeeze", "none"],
        default="alex",
        help="feature network of LPIPS; none trains and measures without LPIPS",
    )
    parser.add_argument(
        "--further_perceptual",
        type=list[Literal["alex", "vgg", "squeeze"]],
        default=[],
        help="further feature networks, such as [squeeze]: the pictures of a batch have them and that of --perceptual "
        "in turns, a network named twice two turns; validation measures that of --perceptual",
    )
    parser.add_argument("--accelerator", type=str, default="auto", help="cpu, cuda, mps or auto")
    parser.add_argument(
        "--precision",
        type=str,
        default="auto",
        help="auto, or Lightning's precision of the picture networks: 32-true or bf16-mixed; auto is bf16-mixed on a "
        "processor that multiplies bfloat16 (about 1.4 times as fast), and 32-true elsewhere",
    )
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 for PyTorch's default")


def parse_options(arguments: Sequence[str]) -> Namespace:
    """Parse the options; model options that are not given are taken from the starting weights.

    Returns:
        the options; `init` is None for random weights.
    Raises:
        ArgumentError: an option is unknown, or its value is not allowed.
        ConfigError: a number of the training is out of its range, or --init names starting weights and none.
        HvqcgicError: the starting weights cannot be read.
    """
    if not any(word.partition("=")[0] in _CHOOSING for word in arguments):
        arguments = ["--config", str(DEFAULT_CONFIG), *arguments]
    parser = build_parser()
    options = parser.parse_args(arguments)
    training_config(options)
    if options.init and NOTHING in options.init:
        if len(options.init) > 1:
            raise ConfigError(
                f"--init {' '.join(options.init)}: {NOTHING} means random weights and stands alone; leave it out"
            )
        if not any(word.partition("=")[0] == "--config" for word in arguments):
            options = parser.parse_args(["--config", str(FROM_NOTHING), *arguments])
        options.init = None
    if not options.init:
        return options
    return parser.parse_args(["--model", json.dumps(model_options(Path(options.init[-1]))), *arguments])


def training_config(options: Namespace, steps: int | None = None) -> TrainingConfig:
    """Return loss and schedule of the options; `steps` replaces those of the options.

    Raises:
        ConfigError: a number is out of its range.
    """
    chosen = vars(options.training) | {"lmbda": options["lambda"]}
    return TrainingConfig(**chosen | ({} if steps is None else {"steps": steps}))
