"""The options of `python -m hvqcgic.train`, and the training that they request."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar

import lightning
import torch
from jsonargparse import ArgumentError, ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt

from hvqcgic.cli import USAGE, new_parser
from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.files import one_line
from hvqcgic.models import ModelConfig, ReverseConfig
from hvqcgic.perceptual import Lpips, WeightsMissing, load_lpips
from hvqcgic.training.cached_pictures import CachedPictures
from hvqcgic.training.closing import print_closing
from hvqcgic.training.config import Stage, TrainingConfig
from hvqcgic.training.data import PictureDataModule
from hvqcgic.training.module import HvqModule
from hvqcgic.training.processes import Processes, first_console, is_first
from hvqcgic.training.reverse_module import ReverseModule
from hvqcgic.training.stage_module import StageModule
from hvqcgic.training.stages import STAGES, Machine, check_free, run_stage
from hvqcgic.training.starts import make_reverse_module, model_options

Module = TypeVar("Module", bound=StageModule)


def build_parser() -> ArgumentParser:
    """Build the parser of all options; each option can also stand in a YAML file given with --config."""
    description = "Train a model, stage by stage. Each stage writes OUT/STAGE.ckpt."
    parser = new_parser("hvqcgic.train", description, example="tiny")
    parser.add_argument(
        "--stage",
        type=Literal["backbone", "hyperprior", "joint", "all", "reverse"],
        default="all",
        help="backbone: trains the picture networks on the distortion; hyperprior: trains the entropy model on fixed "
        "picture networks; joint: trains both on distortion + lambda * rate; all: these three in order; reverse: "
        "trains a reverse path for a frozen model (--init), which `hvqcgic decompress --steps` uses",
    )
    parser.add_argument(
        "--lambda", type=float, default=TrainingConfig.lmbda, help="weight of one bit per pixel against the distortion"
    )
    parser.add_argument("--backbone_steps", type=int, default=4500, help="steps of stage backbone with --stage all")
    parser.add_argument(
        "--hyperprior_steps",
        type=int,
        default=1500,
        help="steps of stage hyperprior with --stage all; those of stage joint are --training.steps",
    )
    add_input(parser)
    add_checkpoints(parser)
    add_machine(parser)
    parser.add_class_arguments(Processes, "trainer")
    parser.add_class_arguments(TrainingConfig, "training", skip={"lmbda"})
    parser.add_class_arguments(PictureDataModule, "pictures", skip={"data", "val", "seed"})
    parser.add_class_arguments(ReverseConfig, "reverse")
    parser.add_class_arguments(ModelConfig, "model")
    return parser


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
        help="checkpoints, model files or bundled models with the starting weights of the first stage; weights of "
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
        "--second_perceptual",
        type=Literal["alex", "vgg", "squeeze", "none"],
        default="none",
        help="second feature network: the loss uses the mean of both LPIPS; validation measures that of --perceptual",
    )
    parser.add_argument("--accelerator", type=str, default="auto", help="cpu, cuda, mps or auto")
    parser.add_argument("--precision", type=str, default="32-true", help="Lightning precision: 32-true or bf16-mixed")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 for PyTorch's default")


def parse_options(arguments: Sequence[str]) -> Namespace:
    """Parse the options; model options that are not given are taken from the starting weights.

    Raises:
        ArgumentError: an option is unknown, or its value is not allowed.
        HvqcgicError: the starting weights cannot be read.
    """
    parser = build_parser()
    options = parser.parse_args(arguments)
    if not options.init:
        return options
    return parser.parse_args(["--model", json.dumps(model_options(Path(options.init[-1]))), *arguments])


def steps_by_stage(options: Namespace) -> dict[Stage, int]:
    """Return the requested stages in their order, with the steps of each stage.

    Raises:
        ConfigError: no stage has any steps, or no stage can use the given cache.
    """
    steps: dict[Stage, int] = {options.stage: options.training.steps}
    if options.stage == "all":
        counts = (options.backbone_steps, options.hyperprior_steps, options.training.steps)
        steps = dict(zip(STAGES, counts, strict=True))
    steps = {stage: count for stage, count in steps.items() if count}
    if not steps:
        raise ConfigError("no stage has any steps; give --training.steps (with --stage all also --backbone_steps)")
    if options.cache and "hyperprior" not in steps:
        raise ConfigError(
            f"--cache {options.cache}: stage {options.stage} changes the networks whose features a cache keeps; "
            "use it with --stage hyperprior or all, or leave it out"
        )
    return steps


def run_training(
    options: Namespace,
    *,
    pictures: PictureDataModule | None = None,
    callbacks: Sequence[lightning.Callback] | None = None,
) -> Path:
    """Train the requested stages and print the result; return the last checkpoint.

    Args:
        options: of `parse`.
        pictures: the pictures of the options, if they have been read already.
        callbacks: see `Machine`; with callbacks nothing is printed.
    Raises:
        HvqcgicError: settings, checkpoints or pictures cannot be used, or LPIPS has no weights.
    """
    if options.threads:
        torch.set_num_threads(options.threads)
    steps = steps_by_stage(options)
    machine = Machine(
        *(Path(options.out), options.accelerator, options.precision, Processes(**vars(options.trainer))),
        resume=options.resume,
        force=options.force,
        save_every=options.save_every,
        callbacks=callbacks,
    )
    for stage in steps:
        check_free(machine, stage)
    start, before, results = [Path(path) for path in options.init or ()], [], []
    pictures = pictures or make_pictures(options)
    cached = make_pictures(options, cached=True) if options.cache else pictures
    for stage, count in steps.items():
        module = make_module(options, stage, count)
        pictures.batches_used = 0
        data = cached if stage == "hyperprior" else pictures
        results.append(run_stage(module, data, machine, start=start, stage_before=before))
        before = [machine.folder / f"{stage}.ckpt"]
    done = [result for result in results if result is not None]
    if done and callbacks is None:
        print_closing(done, first_console())
    return before[0]


def make_pictures(options: Namespace, *, cached: bool = False) -> PictureDataModule:
    """Create the pictures of the options; with `cached`, their features are stored in the folder of --cache.

    Raises:
        ConfigError: a setting is out of its range.
        OutputError: the cache cannot be written.
    """
    chosen = {"data": options.data, "val": options.val, "seed": options.training.seed, **vars(options.pictures)}
    return CachedPictures(Path(options.cache), **chosen) if cached else PictureDataModule(**chosen)


def make_module(options: Namespace, stage: Stage, steps: int) -> HvqModule | ReverseModule:
    """Create a stage's module with random weights, which depend on the seed.

    Raises:
        ConfigError: settings contradict each other or are out of range, or stage reverse has no frozen model.
        ModelError: the frozen model cannot be read.
        WeightsMissing: as in `load_perceptual`.
    """
    training = TrainingConfig(**vars(options.training) | {"steps": steps, "lmbda": options["lambda"]})
    perceptual = load_perceptual(options.perceptual, "perceptual") if stage != "hyperprior" else None
    lightning.seed_everything(training.seed, verbose=False)
    if stage == "reverse":
        reverse = ReverseConfig(**vars(options.reverse))
        init = [Path(path) for path in options.init or ()]
        return with_second_perceptual(make_reverse_module(init, reverse, training, perceptual), options)
    module = HvqModule(ModelConfig.from_dict(options.model.as_dict()), training, stage, perceptual)
    return with_second_perceptual(module, options)


def with_second_perceptual(module: Module, options: Namespace) -> Module:
    """Add the second LPIPS network of the options to the loss of a module, in stages that decode pictures."""
    if module.stage != "hyperprior":
        module.add_perceptual(load_perceptual(options.second_perceptual, "second_perceptual"))
    return module


def load_perceptual(net: str, option: str) -> Lpips | None:
    """Load LPIPS with the feature network that an option names; None for "none".

    Raises:
        WeightsMissing: there are no weights for it; the message says how to train without.
    """
    try:
        return None if net == "none" else load_lpips(net)
    except WeightsMissing as error:
        raise WeightsMissing(f"{error}, or train with --{option} none") from error


def main(arguments: list[str] | None = None) -> int:
    """Run the program; return exit code 0 for done, 2 for a refusal with one line."""
    try:
        last = run_training(parse_options(sys.argv[1:] if arguments is None else arguments))
        if is_first():
            print(last)
    except ArgumentError as error:
        complain(f"{error} (see python -m hvqcgic.train --help)")
        return USAGE
    except HvqcgicError as error:
        complain(str(error))
        return USAGE
    return 0


def complain(message: str) -> None:
    """Write one line to standard error."""
    print(f"hvqcgic.train: {one_line([message])}", file=sys.stderr)
