"""The options of `python -m hvqcgic.train`, and the run they describe."""

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
    """All options; every one can also stand in a YAML file given with --config."""
    description = "Train a model, stage by stage. What a stage leaves is OUT/STAGE.ckpt."
    parser = new_parser("hvqcgic.train", description, example="tiny")
    parser.add_argument(
        "--stage",
        type=Literal["backbone", "hyperprior", "joint", "all", "reverse"],
        default="all",
        help="backbone: picture networks on the distortion alone; hyperprior: the entropy model on them, frozen; "
        "joint: everything on distortion + lambda * rate; all: one after the other; reverse: a network behind a frozen "
        "model (--init), which `hvqcgic decompress --steps` runs",
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
    """Pictures, and starting weights."""
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
        help="checkpoints, model files or bundled models that the first stage starts from, later ones over earlier "
        "ones; moving averages of weights where a checkpoint holds them; of one of stage backbone the entropy networks "
        "are left out, as they are untrained there: HYPERPRIOR.ckpt BACKBONE.ckpt takes the entropy networks of the "
        "first and the backbone of the second. Model options that are not given are those of the last one",
    )
    parser.add_argument(
        "--cache",
        type=str | None,
        default=None,
        metavar="DIR",
        help="stage hyperprior: run the frozen picture networks over each training picture once, keep the features in "
        "this folder (about 4.3 bytes a pixel), and train on windows of them at multiples of 16 px, without flips and "
        "downscaled crops; later runs on the same backbone and pictures read them. Entries of other backbones are left "
        "alone; delete the folder to free the space",
    )


def add_checkpoints(parser: ArgumentParser) -> None:
    """Where results go, how often, and what becomes of those that are there already."""
    parser.add_argument("--out", type=str, default="runs/train", help="folder for checkpoints and TensorBoard files")
    parser.add_argument(
        "--resume", type=bool, default=False, help="go on from the checkpoint of the stage in --out where there is one"
    )
    parser.add_argument(
        "--save_every",
        type=PositiveInt,
        default=200,
        help="steps between two checkpoints; the last step leaves one, too",
    )
    parser.add_argument(
        "--force", type=bool, default=False, help="start anew, replacing the checkpoint in --out where there is one"
    )


def add_machine(parser: ArgumentParser) -> None:
    """What a training runs on, and the network that judges its pictures."""
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
        help="another one, whose LPIPS joins the loss: the mean over both; what is measured stays that of --perceptual",
    )
    parser.add_argument("--accelerator", type=str, default="auto", help="cpu, cuda, mps or auto")
    parser.add_argument("--precision", type=str, default="32-true", help="of Lightning: 32-true or bf16-mixed")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves torch's choice")


def parse_options(arguments: Sequence[str]) -> Namespace:
    """The options; those of the model that are not given are those of what the training starts from.

    Raises:
        ArgumentError: an option is unknown, or its value is none that it can have.
        HvqcgicError: what the training starts from cannot be read.
    """
    parser = build_parser()
    options = parser.parse_args(arguments)
    if not options.init:
        return options
    return parser.parse_args(["--model", json.dumps(model_options(Path(options.init[-1]))), *arguments])


def steps_by_stage(options: Namespace) -> dict[Stage, int]:
    """The stages that the options ask for, in their order, and the steps of each.

    Raises:
        ConfigError: no stage has any, or a cache is given that none can use.
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
    """Trains what the options name and says what it reached; returns the last checkpoint.

    Args:
        options: of `parse`.
        pictures: those that the options name, where they were read before.
        callbacks: see `Machine`; nothing is said where there are any.
    Raises:
        HvqcgicError: settings, checkpoints or pictures that cannot be used, or no weights for LPIPS.
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
    """The pictures that the options name; with `cached`, their features are kept in the folder that they name.

    Raises:
        ConfigError: a setting out of its range.
        OutputError: the cache cannot be written to.
    """
    chosen = {"data": options.data, "val": options.val, "seed": options.training.seed, **vars(options.pictures)}
    return CachedPictures(Path(options.cache), **chosen) if cached else PictureDataModule(**chosen)


def make_module(options: Namespace, stage: Stage, steps: int) -> HvqModule | ReverseModule:
    """A stage's module with fresh weights, which follow from the seed.

    Raises:
        ConfigError: settings that contradict each other, or out of their range; stage reverse without a frozen model.
        ModelError: the frozen model cannot be read.
        WeightsMissing: as `load_perceptual`.
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
    """A module with the other network of LPIPS that the options name for the loss, in stages that decode pictures."""
    if module.stage != "hyperprior":
        module.add_perceptual(load_perceptual(options.second_perceptual, "second_perceptual"))
    return module


def load_perceptual(net: str, option: str) -> Lpips | None:
    """LPIPS with this feature network, the value of an option; nothing for "none".

    Raises:
        WeightsMissing: no weights for it, with how to do without.
    """
    try:
        return None if net == "none" else load_lpips(net)
    except WeightsMissing as error:
        raise WeightsMissing(f"{error}, or train with --{option} none") from error


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 done, 2 refused in one line."""
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
    """One line on standard error."""
    print(f"hvqcgic.train: {one_line([message])}", file=sys.stderr)
