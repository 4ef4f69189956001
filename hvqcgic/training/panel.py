"""The panel at the start of a training: what is trained, from what, on what, at which lambda, and how long it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from jsonargparse import Namespace
from rich.panel import Panel
from rich.table import Table

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.models import ModelConfig
from hvqcgic.perceptual import TERMS
from hvqcgic.training.config import Stage, TrainingConfig
from hvqcgic.training.data import PictureDataModule
from hvqcgic.training.processes import Processes, lightning_precision
from hvqcgic.training.progress import duration
from hvqcgic.training.real_files import FileFigures
from hvqcgic.training.stage_module import StageModule
from hvqcgic.training.starts import StartFacts

PATH_PRICES = (0.08, 0.45)
"""Distortion that one more bit per pixel saves along the ratio path of `tiny`: all cells fine, all cells coarse
(docs/results.md)."""
SAME_LAMBDA = 1.25
"""Factor between two lambdas up to which they are called about equal."""


@dataclass(frozen=True)
class Plan:
    """The training that a panel shows.

    Attributes:
        options: of the command.
        steps: of each stage, in order.
        training: loss and schedule.
        start: what the last starting file says; None for random weights.
        start_files: the start's figures at the reported ratios, from many bits to few; empty where it was not coded.
    """

    options: Namespace
    steps: Mapping[Stage, int]
    training: TrainingConfig
    start: StartFacts | None
    start_files: Sequence[FileFigures]


def training_panel(plan: Plan, module: StageModule, pictures: PictureDataModule, *, step_s: float) -> Panel:
    """Build the panel.

    Args:
        plan: the training.
        module: of the first stage, on its device.
        pictures: of the training, read.
        step_s: seconds of one step of the first stage, measured.
    """
    config = module.model.config
    weights = {name: weight.numel() for name, weight in module.model.named_parameters()}
    coded = sum(count for name, count in weights.items() if not name.startswith("proxy."))
    parameters = coded + module.model.quantiser.codebook.numel()
    rows = {
        "model": f"{config.name}: {parameters / 1e6:.2f} million parameters, K = {config.codebook_size} codes of "
        f"d = {config.code_width} numbers",
        "hyperpriors": hyperpriors_text(config, plan.start),
        "index prior": embedding_text(config),
        "passes": f"{len(module.model.passes)}: {', '.join(step.name for step in module.model.passes)}",
        "start": start_text(plan),
        "stages": "; ".join(f"{stage}, {count} steps" for stage, count in plan.steps.items()),
    }
    if "joint" in plan.steps:
        rows["lambda"] = lambda_text(plan, with_lpips=module.measured_by is not None)
    rows |= {
        "data": data_text(pictures),
        "validation": validation_text(plan.training, len(pictures.validation)),
        "machine": machine_text(plan.options, module.device),
        "time": time_text(plan.steps, module, step_s),
        "output": str(Path(plan.options.out) / f"{list(plan.steps)[-1]}.ckpt"),
    }
    table = Table.grid(padding=(0, 2))
    for name, text in rows.items():
        table.add_row(name, text)
    return Panel(table, title="training", title_align="left", expand=False)


def hyperpriors_text(config: ModelConfig, start: StartFacts | None) -> str:
    """Channels of the hyper-latents by granularity, and whether the start lacks them."""
    channels = dict(zip(GRANULARITIES, config.entropy.z_channels, strict=True))
    if not any(channels.values()):
        return "none"
    text = ", ".join(f"{g} {count} channels" if count else f"{g} none" for g, count in channels.items())
    if start is not None and not any(start.config.entropy.z_channels):
        text += "; new: the first step predicts indices exactly as the start does"
    return text


def embedding_text(config: ModelConfig) -> str:
    """Form of the index prior and its embedding space of codes."""
    entropy = config.entropy
    if entropy.learns_embedding:
        return f"{entropy.form}, learned embedding space of {entropy.embedding_width} numbers a code"
    return f"{entropy.form}, embedding space of the codebook, {config.code_width} numbers a code"


def start_text(plan: Plan) -> str:
    """Where the weights come from."""
    names = " ".join(plan.options.init or ())
    if plan.options.resume and (Path(plan.options.out) / f"{next(iter(plan.steps))}.ckpt").exists():
        return "the checkpoint in the output folder (--resume)"
    if plan.start is None:
        return "random weights"
    kind = "model" if plan.start.stage is None else f"checkpoint of stage {plan.start.stage}"
    trained = "" if plan.start.lmbda is None else f", trained at lambda {plan.start.lmbda:g}"
    return f"{kind} {names}{trained}"


def lambda_text(plan: Plan, *, with_lpips: bool) -> str:
    """What lambda means, at the price of a bit of the start where that is known, and the effect to expect."""
    training, lmbda = plan.training, plan.training.lmbda
    weights = {name.upper(): getattr(training, f"{name}_weight") for name in TERMS}
    if with_lpips:
        weights["LPIPS"] = training.lpips_weight
    terms = " + ".join(f"{weight:g} {name}" for name, weight in weights.items() if weight)
    text = f"{lmbda:g}: one bit per pixel costs as much as {lmbda:g} of distortion ({terms})"
    if prices := bit_prices(plan.start_files):
        text += (
            f". At the ratios of the start, one more bit per pixel saves {max(prices):.2g} of distortion with few "
            f"bits, {min(prices):.2g} with many"
        )
    else:
        text += (
            f". Along the ratio path of the bundled model, one more bit per pixel saves {PATH_PRICES[1]:g} of "
            f"distortion with few bits, {PATH_PRICES[0]:g} with many"
        )
    return f"{text}. {expectation(lmbda, plan.start)}"


def bit_prices(files: Sequence[FileFigures]) -> list[float]:
    """Distortion that one more bit per pixel saves, between neighbouring ratios; without pairs of equal rate."""
    steps = [
        (more.bpp["adaptive"] - less.bpp["adaptive"], less.distortion - more.distortion)
        for more, less in pairwise(files)
    ]
    return [saved / bits for bits, saved in steps if bits > 0]


def expectation(lmbda: float, start: StartFacts | None) -> str:
    """The effect that a lambda has on weights that were trained at another one."""
    if start is None or start.lmbda is None or start.lmbda <= 0:
        return "A smaller lambda gives more bits and better pictures, a larger one fewer bits and worse pictures"
    if lmbda * SAME_LAMBDA < start.lmbda:
        cheap = f"{start.lmbda / lmbda:.3g} times cheaper than" if lmbda else "free, not"
        return f"A bit is {cheap} at the {start.lmbda:g} of the start: expect more bits, slightly better pictures"
    if lmbda > start.lmbda * SAME_LAMBDA:
        times = f"{lmbda / start.lmbda:.3g} times as dear as"
        return f"A bit is {times} at the {start.lmbda:g} of the start: expect fewer bits, worse pictures"
    return f"That is about the {start.lmbda:g} of the start: expect about as many bits"


def data_text(pictures: PictureDataModule) -> str:
    """Source of the training pictures, and the crops."""
    source = pictures.data or "scikit-image's photographs and dead leaves (--data names others)"
    return (
        f"{source}: {pictures.training_count} pictures; batches of {pictures.batch_size} crops of {pictures.crop_px} px"
    )


def validation_text(training: TrainingConfig, pictures: int) -> str:
    """Number of validation pictures of those that there are, and how often they are measured."""
    count = min(training.validation_pictures, pictures)
    return f"{count} picture{'s' if count > 1 else ''} every {training.validate_every} steps"


def machine_text(options: Namespace, device: torch.device) -> str:
    """Device, threads or processes, and precision."""
    number = torch.get_num_threads()
    threads = f", {number} thread{'s' if number > 1 else ''}" if device.type == "cpu" else ""
    processes = Processes(**vars(options.trainer))
    precision, count = lightning_precision(options.precision, options.accelerator, processes), processes.count
    return f"{device}{threads}{f', {count} processes' if count > 1 else ''}, precision {precision}"


def time_text(steps: Mapping[Stage, int], module: StageModule, step_s: float) -> str:
    """Expected time of a stage from the seconds of its first steps."""
    left = (module.options.steps - module.step_index) * step_s
    # LPIPS and the discriminator may join later.
    least = "at least" if module.stage in ("backbone", "reverse") else "about"
    others = [stage for stage in steps if stage != module.stage]
    more = f"; {' and '.join(others)} say theirs when they begin" if others else ""
    measured = f"{step_s:.2g} s a step, measured; validation comes on top"
    return f"stage {module.stage}: {least} {duration(left)} from here ({measured}){more}"
