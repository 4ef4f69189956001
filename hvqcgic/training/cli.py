"""The options of `python -m hvqcgic.train`, and the run they describe."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from jsonargparse import ArgumentParser, Namespace

from hvqcgic.errors import HvqcgicError
from hvqcgic.models.config import ModelConfig
from hvqcgic.training.config import Stage, TrainingConfig
from hvqcgic.training.data import PictureDataModule
from hvqcgic.training.module import HvqModule
from hvqcgic.training.perceptual import load_lpips
from hvqcgic.training.stages import STAGES, Machine, run_stage


def build_parser() -> ArgumentParser:
    """All options; every one can also stand in a YAML file given with --config."""
    parser = ArgumentParser(prog="python -m hvqcgic.train", description="Train a model, stage by stage.")
    parser.add_argument("--config", action="config", help="YAML file with any of these options")
    parser.add_argument(
        "--stage", type=Literal["backbone", "hyperprior", "joint", "all"], default="all", help="what is trained"
    )
    parser.add_argument("--lambda", type=float, default=0.01, help="weight of one bit per pixel against the distortion")
    parser.add_class_arguments(ModelConfig, "model")
    parser.add_class_arguments(TrainingConfig, "training", skip={"lmbda"})
    parser.add_argument("--backbone_steps", type=int, default=3000, help="steps of stage backbone with --stage all")
    parser.add_argument("--hyperprior_steps", type=int, default=1000, help="steps of stage hyperprior with --stage all")
    parser.add_class_arguments(PictureDataModule, "pictures", skip={"data", "val", "seed"})
    parser.add_argument("--data", type=str | None, default=None, help="training pictures: folder or tar shards")
    parser.add_argument("--val", type=str | None, default=None, help="validation pictures, likewise")
    parser.add_argument(
        "--perceptual", type=Literal["alex", "vgg", "squeeze", "none"], default="alex", help="network of LPIPS"
    )
    parser.add_argument(
        "--init",
        type=str,
        nargs="+",
        metavar="CKPT",
        help="checkpoints whose weights the first stage starts from, later ones over earlier ones; "
        "of one of stage backbone the entropy networks are left out",
    )
    parser.add_argument(
        "--resume", type=bool, default=False, help="go on from the checkpoint in --out where there is one"
    )
    parser.add_argument("--out", type=str, default="runs/train", help="folder for checkpoints and TensorBoard files")
    parser.add_argument("--accelerator", type=str, default="auto", help="cpu, cuda, mps or auto")
    parser.add_argument("--precision", type=str, default="32-true", help="32-true or bf16-mixed")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves torch's choice")
    return parser


def as_config(kind: type[Any], values: Namespace) -> Any:
    """A dataclass of the parsed options."""
    if kind is ModelConfig:
        return ModelConfig.from_dict(values.as_dict())
    return kind(**vars(values))


def run(options: Namespace) -> Path:
    """Trains what the options name; returns the last checkpoint."""
    if options.threads:
        torch.set_num_threads(options.threads)
    base = TrainingConfig(**vars(options.training), lmbda=options["lambda"])
    machine = Machine(Path(options.out), options.accelerator, options.precision, options.resume)
    start = [Path(path) for path in options.init or ()]
    steps: dict[Stage, int] = {options.stage: base.steps}
    if options.stage == "all":
        steps = {"backbone": options.backbone_steps, "hyperprior": options.hyperprior_steps, "joint": base.steps}
    for stage in (stage for stage in STAGES if steps.get(stage)):
        train(options, dataclasses.replace(base, steps=steps[stage]), stage, machine, start=start)
        start.append(machine.folder / f"{stage}.ckpt")
    return start[-1]


def train(
    options: Namespace, training: TrainingConfig, stage: Stage, machine: Machine, *, start: Sequence[Path]
) -> None:
    """Trains one stage."""
    lightning.seed_everything(training.seed, verbose=False)
    perceptual = load_lpips(options.perceptual) if options.perceptual != "none" and stage != "hyperprior" else None
    module = HvqModule(as_config(ModelConfig, options.model), training, stage, perceptual)
    pictures = PictureDataModule(options.data, options.val, seed=training.seed, **vars(options.pictures))
    run_stage(module, pictures, machine, start=start)


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 done, 2 refused in one line."""
    options = build_parser().parse_args(arguments)
    try:
        print(run(options))
    except HvqcgicError as error:
        print(f"hvqcgic.train: {error}", file=sys.stderr)
        return 2
    return 0
