"""Final report of a run of stages in the terminal: table, duration, checkpoint, and the next command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from hvqcgic.training.config import Stage, TrainingConfig
from hvqcgic.training.progress import ClosingRow, closing_table, duration


@dataclass(frozen=True)
class StageResult:
    """Result of a finished stage.

    Attributes:
        stage: name of the stage.
        checkpoint: its checkpoint.
        options: of its training.
        metrics: last value of each logged number, by name; validation values are of the last validation.
        seconds: duration in this process.
    """

    stage: Stage
    checkpoint: Path
    options: TrainingConfig
    metrics: Mapping[str, float]
    seconds: float


def closing_rows(results: Sequence[StageResult]) -> list[ClosingRow]:
    """Rows of the table: one for each stage, and one for each coding mode of the last stage's files."""
    rows = []
    for result in results:
        rows.append(_stage_row(f"stage {result.stage}", result.metrics, "val"))
        for name in sorted(result.metrics):
            if name.startswith("val/psnr_db_"):
                steps = name.removeprefix("val/psnr_db_")
                values = result.metrics[name], result.metrics.get(f"val/lpips_{steps}")
                rows.append(ClosingRow(f"{steps} steps back", psnr_db=values[0], lpips=values[1]))
        if "val_raw/psnr_db" in result.metrics:
            rows.append(_stage_row("the same, not averaged", result.metrics, "val_raw"))
    last = results[-1].metrics
    if "file/adaptive_bpp" in last:
        rows += [
            ClosingRow("files: adaptive", last["file/adaptive_bpp"], True, last["file/saving_percent"]),
            ClosingRow("files: static arithmetic", last["file/static_arithmetic_bpp"], True),
            ClosingRow("files: static Huffman", last["file/static_huffman_bpp"], True),
            ClosingRow("the same, estimated", last["file/estimate_bpp"]),
        ]
    return rows


def _stage_row(name: str, metrics: Mapping[str, float], group: str) -> ClosingRow:
    bpp, saving, psnr, lpips = (
        metrics.get(f"{group}/{number}") for number in ("adaptive_bpp", "saving_percent", "psnr_db", "lpips")
    )
    return ClosingRow(name, bpp, saving_percent=saving, psnr_db=psnr, lpips=lpips)


def print_closing(results: Sequence[StageResult], console: Console) -> None:
    """Print table, duration, checkpoint and next command.

    Args:
        results: of the stages, at least one.
        console: output console.
    """
    last = results[-1]
    options = last.options
    title = f"{options.validation_pictures} validation pictures, of which {options.file_pictures} coded to files"
    console.print(
        closing_table(closing_rows(results), title if last.stage in ("hyperprior", "joint") else "validation pictures")
    )
    lines = [
        "bpp of stages: indices and hyper-latents; of files: everything. Saving: against static arithmetic coding.",
        f"took {duration(sum(result.seconds for result in results))}; the checkpoint is {last.checkpoint}",
        f"next: {next_command(last)}",
        f"charts and pictures: tensorboard --logdir {shlex.quote(str(last.checkpoint.parent))}",
    ]
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def next_command(last: StageResult) -> str:
    """Return the command that usually follows a stage."""
    path = shlex.quote(str(last.checkpoint))
    if last.stage == "reverse":
        return f"python -m hvqcgic.export {path} -o NAME-reverse.safetensors, with the NAME of its model and beside it"
    if last.stage == "joint":
        return f"python -m hvqcgic.export {path} -o mine.safetensors"
    following = "hyperprior" if last.stage == "backbone" else "joint"
    return f"python -m hvqcgic.train --stage {following} --init {path}"
