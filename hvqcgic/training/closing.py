"""Final report of a run of stages in the terminal: tables, change, duration, checkpoint, next command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hvqcgic.training.config import Stage, TrainingConfig
from hvqcgic.training.progress import ClosingRow, closing_table, duration, number_text
from hvqcgic.training.real_files import MODES, FileFigures


@dataclass(frozen=True)
class StageResult:
    """Result of a finished stage.

    Attributes:
        stage: name of the stage.
        checkpoint: its checkpoint.
        options: of its training.
        metrics: last value of each logged number, by name; validation values are of the last validation.
        seconds: duration in this process.
        pictures: number of validation pictures that there are.
    """

    stage: Stage
    checkpoint: Path
    options: TrainingConfig
    metrics: Mapping[str, float]
    seconds: float
    pictures: int


def closing_rows(results: Sequence[StageResult]) -> list[ClosingRow]:
    """Rows of the table of stages: as the last validation of each measured them."""
    rows = []
    for result in results:
        against = ", against the decoder" if result.stage == "proxy" else ""
        rows.append(_stage_row(f"stage {result.stage}{against}", result.metrics, "val"))
        for name in sorted(result.metrics):
            if name.startswith("val/psnr_db_"):
                steps = name.removeprefix("val/psnr_db_")
                values = result.metrics[name], result.metrics.get(f"val/lpips_{steps}")
                rows.append(ClosingRow(f"{steps} steps back", psnr_db=values[0], lpips=values[1]))
        if "val_raw/psnr_db" in result.metrics:
            rows.append(_stage_row("the same, not averaged", result.metrics, "val_raw"))
    return rows


def _stage_row(name: str, metrics: Mapping[str, float], group: str) -> ClosingRow:
    bpp, saving, psnr, lpips = (
        metrics.get(f"{group}/{number}") for number in ("adaptive_bpp", "saving_percent", "psnr_db", "lpips")
    )
    return ClosingRow(name, bpp, saving_percent=saving, psnr_db=psnr, lpips=lpips)


def files_table(files: Sequence[FileFigures], pictures: int) -> Table:
    """Table of real files: adaptive against static coding of the same indices, a row for each triple of ratios.

    Args:
        files: at least one.
        pictures: number of pictures that were coded.
    """
    table = Table(title=f"validation pictures ({pictures}) as real files, bits per pixel", title_justify="left")
    table.add_column("ratios", no_wrap=True)
    # Two lines each, so that a terminal of 80 columns cuts none.
    for heading in (*MODES.values(), "saving %", "PSNR dB", "LPIPS"):
        table.add_column(heading.replace("-", "\n").replace(" ", "\n"), justify="right")
    for row in files:
        table.add_row(
            ratios_text(row),
            *(number_text(row.bpp[name], 4) for name in MODES),
            number_text(row.saving_percent, 1),
            number_text(row.psnr_db, 2),
            number_text(row.lpips, 4),
        )
    return table


def ratios_text(row: FileFigures) -> str:
    """The ratios of a row: 0.5, 0.4, 0.1."""
    return ", ".join(f"{share:g}" for share in row.ratios)


def against_start(result: FileFigures, start: FileFigures, lmbda: float) -> str:
    """What a training at a lambda changed against its start, at equal ratios.

    Args:
        result: of the trained weights.
        start: of the starting weights, at the same ratios and on the same pictures.
        lmbda: of the training.
    """
    bits = 100 * (result.bpp["adaptive"] / start.bpp["adaptive"] - 1)
    parts = [f"{bits:+.1f} % bits", f"PSNR {result.psnr_db - start.psnr_db:+.2f} dB"]
    lpips = result.lpips - start.lpips
    if lpips == lpips:
        parts.append(f"LPIPS {lpips:+.4f}")
    return f"lambda {lmbda:g} against the start: {', '.join(parts)} at ({ratios_text(result)})"


def print_closing(
    results: Sequence[StageResult],
    console: Console,
    *,
    files: Sequence[FileFigures] = (),
    start_files: Sequence[FileFigures] = (),
) -> None:
    """Print tables, the change against the start, duration, checkpoint and next command.

    Args:
        results: of the stages, at least one.
        console: output console.
        files: of the result, at the default ratios first; none to leave them out.
        start_files: of the start, likewise.
    """
    last = results[-1]
    options, pictures = last.options, last.pictures
    title = f"validation pictures ({min(pictures, options.validation_pictures)}), estimated"
    console.print(closing_table(closing_rows(results), title))
    lines = ["bpp: indices and hyper-latents. Saving: against static arithmetic coding of the same indices."]
    if files:
        _print_lines(lines, console)
        console.print(files_table(files, min(pictures, options.validation_pictures, options.file_pictures)))
        lines = ["bpp: whole files. Saving: adaptive against static arithmetic. Quality: of the decoded files."]
        if start_files:
            lines.append(against_start(files[0], start_files[0], options.lmbda))
    lines += [
        f"took {duration(sum(result.seconds for result in results))}; the checkpoint is {last.checkpoint}",
        f"next: {next_command(last)}",
        f"charts and pictures: tensorboard --logdir {shlex.quote(str(last.checkpoint.parent))}",
    ]
    _print_lines(lines, console)


def _print_lines(lines: Sequence[str], console: Console) -> None:
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def next_command(last: StageResult) -> str:
    """Return the command that usually follows a stage."""
    path = shlex.quote(str(last.checkpoint))
    if last.stage == "reverse":
        return f"python -m hvqcgic.export {path} -o NAME-reverse.safetensors, with the NAME of its model and beside it"
    if last.stage == "proxy":
        return f"python -m hvqcgic.export {path} -o MODEL.safetensors --force, with the file of its model"
    if last.stage == "joint":
        return f"python -m hvqcgic.export {path} -o mine.safetensors"
    following = "hyperprior" if last.stage == "backbone" else "joint"
    return f"python -m hvqcgic.train --stage {following} --init {path}"
