"""`python -m hvqcgic.train`: the training that the options request."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import lightning
import torch
from jsonargparse import ArgumentError, Namespace

from hvqcgic.cli import USAGE
from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.files import one_line
from hvqcgic.models import ModelConfig, ProxyConfig, ReverseConfig
from hvqcgic.perceptual import Lpips, Perceptual, WeightsMissing, load_lpips
from hvqcgic.training.cached_pictures import CachedPictures
from hvqcgic.training.closing import print_closing
from hvqcgic.training.config import Stage, TrainingConfig
from hvqcgic.training.data import PictureDataModule
from hvqcgic.training.module import HvqModule
from hvqcgic.training.options import parse_options, training_config
from hvqcgic.training.processes import Processes, is_first
from hvqcgic.training.provenance import recorded
from hvqcgic.training.proxy_module import ProxyModule
from hvqcgic.training.report import RunReport
from hvqcgic.training.reverse_module import ReverseModule
from hvqcgic.training.stage_module import COMPARED, StageModule
from hvqcgic.training.stages import STAGES, Machine, check_free, run_stage
from hvqcgic.training.starts import frozen_model
from hvqcgic.training.thaw import thaw_networks


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
    """Train the requested stages, print what is trained and the result; return the last checkpoint.

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
    report = RunReport(options, steps) if callbacks is None else None
    start, before, results = [Path(path) for path in options.init or ()], [], []
    pictures = pictures or make_pictures(options)
    cached = make_pictures(options, cached=True) if options.cache else pictures
    for stage, count in steps.items():
        module = make_module(options, stage, count)
        pictures.batches_used = 0
        data = cached if stage == "hyperprior" else pictures
        results.append(run_stage(module, data, machine, start=start, stage_before=before, report=report))
        before = [machine.folder / f"{stage}.ckpt"]
    done = [result for result in results if result is not None]
    if done and report:
        print_closing(done, report.console, files=report.result_files, start_files=report.start_files)
    return before[0]


def make_pictures(options: Namespace, *, cached: bool = False) -> PictureDataModule:
    """Create the pictures of the options; with `cached`, their features are stored in the folder of --cache.

    Raises:
        ConfigError: a setting is out of its range.
        OutputError: the cache cannot be written.
    """
    chosen = {"data": options.data, "val": options.val, "seed": options.training.seed, **vars(options.pictures)}
    return CachedPictures(Path(options.cache), **chosen) if cached else PictureDataModule(**chosen)


def make_module(options: Namespace, stage: Stage, steps: int) -> StageModule:
    """Create a stage's module with random weights, which depend on the seed.

    Raises:
        ConfigError: settings contradict each other or are out of range, or stage reverse or proxy has no frozen model,
            or one that it cannot be trained for.
        ModelError: the frozen model cannot be read.
        WeightsMissing: as in `load_perceptual`.
    """
    training = training_config(options, steps)
    perceptual = load_perceptual(options.perceptual) if stage in COMPARED else None
    lightning.seed_everything(training.seed, verbose=False)
    if stage in ("reverse", "proxy"):
        module = _behind_model(options, stage, training, perceptual)
    else:
        module = HvqModule(ModelConfig.from_dict(options.model.as_dict()), training, stage, perceptual)
    if stage in COMPARED:
        loaded = {options.perceptual: perceptual}
        for net in options.further_perceptual:
            loaded[net] = loaded.get(net) or load_perceptual(net, "--further_perceptual []")
            module.add_perceptual(loaded[net])
    return module


def _behind_model(
    options: Namespace, stage: Stage, training: TrainingConfig, perceptual: Perceptual | None
) -> StageModule:
    """The module of stage reverse or proxy, for the frozen model of the options."""
    frozen = frozen_model([Path(path) for path in options.init or ()], stage)
    model = thaw_networks(frozen)
    if stage == "proxy":
        module = ProxyModule(model, frozen.fingerprint, ProxyConfig(**vars(options.proxy)), training)
    else:
        reverse = ReverseConfig(**vars(options.reverse))
        module = ReverseModule(model, frozen.fingerprint, reverse, training, perceptual)
    module.trained_on = recorded(frozen.card)
    return module


def load_perceptual(net: str, without: str = "--perceptual none") -> Lpips | None:
    """Load LPIPS with a feature network; None for "none". `without` are the options that do without it.

    Raises:
        WeightsMissing: there are no weights for it; the message says how to train without.
    """
    try:
        return None if net == "none" else load_lpips(net)
    except WeightsMissing as error:
        raise WeightsMissing(f"{error}, or train with {without}") from error


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
