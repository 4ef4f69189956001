"""What the experiments share: options, runs of the evaluation and of trainings, published numbers, and tables.

Every experiment prints one or more tables and writes the same rows to OUT/NAME.json. Published numbers are read from
the folder --published; where it is missing their columns are left out, and a note says so.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from hvqcgic.bitstream import MODES
from hvqcgic.codec import Codec
from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.evaluation import (
    BOOTSTRAP_DRAWS,
    BdEntry,
    PointMean,
    Row,
    Run,
    bd_rates,
    curves_of,
    means,
    read_json,
    read_rows,
    read_run,
)
from hvqcgic.files import one_line, write_atomically
from hvqcgic.models import Ratios
from hvqcgic.pages import metric_label

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT.parent / "shared/results"

Cells = Mapping[str, Any]
"""A line of a table: a value for each heading."""


class TrainingFailed(HvqcgicError):
    """A training or an export ended with an error; its own message stands above."""


def parser(text: str | None) -> argparse.ArgumentParser:
    """The options of every experiment; `text` is its docstring."""
    found = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("pictures", nargs="+", help="pictures or folders; the published tables are of Kodak")
    found.add_argument("--out", type=Path, required=True, help="folder for everything that the experiment writes")
    found.add_argument("--published", type=Path, default=PUBLISHED, help="folder of published numbers (%(default)s)")
    found.add_argument("--jobs", type=int, default=0, help="processes that evaluate; 0 for one a CPU core")
    return found


def add_models(options: argparse.ArgumentParser) -> None:
    """The option of experiments that code with several models."""
    options.add_argument("--models", nargs="+", default=["tiny-frozen", "tiny-hvq", "tiny"])


def add_training(options: argparse.ArgumentParser, steps: int) -> None:
    """The options of experiments that train."""
    options.add_argument("--steps", type=int, default=steps, help="optimiser steps of each training (%(default)s)")
    options.add_argument("--data", help="training pictures (default: the photographs of scikit-image)")
    options.add_argument("--perceptual", default="alex", choices=["alex", "vgg", "squeeze", "none"])
    options.add_argument("--precision", default="32-true", help="of the trainings: 32-true or bf16-mixed (%(default)s)")
    options.add_argument("--force", action="store_true", help="train anew what is there")


def call(main: Any, arguments: Sequence[str] | None = None) -> int:
    """Runs an experiment's main function; what the project refuses is one line and exit code 2."""
    try:
        main(arguments)
    except HvqcgicError as error:
        sys.stderr.write(f"{one_line([error])}\n")
        return 2
    return 0


def published(folder: Path, name: str) -> Any | None:
    """What a file of published numbers holds; None, with a note, where it is not there."""
    if not (folder / name).is_file():
        sys.stderr.write(f"note: {folder / name} is not there; the published column is left out\n")
        return None
    return read_json(folder / name)


@dataclass(frozen=True)
class Sizes:
    """One picture's files at one ratio triple, the same indices in every coding mode.

    Attributes:
        pixels: of the picture.
        bits: of the whole file, by mode.
        parts: bits of the parts of each file, by mode.
    """

    pixels: int
    bits: dict[str, int]
    parts: dict[str, dict[str, float]]


def code_in_all_modes(codec: Codec, pictures: Sequence[Path], ratios: Ratios) -> list[Sizes]:
    """Every picture's indices once, and its files in all coding modes."""
    found = []
    for path in track(pictures, f"{codec.name} {ratios}", transient=True, disable=not sys.stderr.isatty()):
        encoded = codec.encode(path, ratios=ratios)
        written = {mode: codec.write(encoded, coding=mode) for mode in MODES}
        bits = {mode: 8 * len(file.data) for mode, file in written.items()}
        parts = {mode: file.parts for mode, file in written.items()}
        found.append(Sizes(encoded.width * encoded.height, bits, parts))
    return found


def mean_bpp(sizes: Sequence[Sizes], mode: str) -> float:
    """Mean over pictures of the bits per pixel of the files of a mode."""
    return float(np.mean([size.bits[mode] / size.pixels for size in sizes]))


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation left: its rows, what the run says of itself, and the means by codec and point."""

    rows: tuple[Row, ...]
    run: Run
    means: tuple[PointMean, ...]


def evaluate(options: argparse.Namespace, codecs: Sequence[str], *, metrics: Sequence[str] = ()) -> Evaluated:
    """Runs `hvqcgic.evaluate` on the experiment's pictures into OUT/evaluation; it goes on where it stopped.

    Raises:
        ConfigError: it ended with an error; its own message stands above.
    """
    from hvqcgic.evaluation import main as evaluate_command

    folder = options.out / "evaluation"
    arguments = [*map(str, options.pictures), "--codecs", *codecs, "--out", str(folder), "--jobs", str(options.jobs)]
    arguments += ["--report", "false"]
    if metrics:
        arguments += ["--metrics", *metrics]
    # What an experiment prints is its own table; the evaluation's lies in its folder.
    with contextlib.redirect_stdout(io.StringIO()):
        code = evaluate_command(arguments)
    if code > 1:
        raise ConfigError(f"the evaluation in {folder} ended with code {code}")
    rows, run = read_rows(folder), read_run(folder)
    return Evaluated(tuple(rows), run, tuple(means(rows, run.set_metrics)))


class Compared(dict[str, Cells]):
    """Cells of BD-rates by codec: per cent of bytes at equal quality, one for each metric.

    Attributes:
        notes: what they were made of.
    """

    notes: Sequence[str] = ()


def compare(done: Evaluated, anchor: str, *, draws: int = BOOTSTRAP_DRAWS) -> Compared:
    """BD-rates of all codecs of an evaluation against one of them, with bootstrap intervals over pictures."""
    curves = curves_of(done.rows, done.run)
    found = Compared()
    for entry in bd_rates(curves, anchor, generator=np.random.default_rng(0), draws=draws).entries:
        if entry.anchor == anchor:
            found[entry.test] = {**found.get(entry.test, {}), metric_label(entry.metric): _bd_cell(entry)}
    first = (
        f"Against {anchor}, {len(curves.pictures)} pictures; in brackets 95 % intervals of a bootstrap over pictures."
    )
    found.notes = [first, *curves.notes]
    return found


def _bd_cell(entry: BdEntry) -> str:
    """BD-rate with its interval, or why there is none."""
    found = entry.difference
    if found is None:
        return entry.reason
    interval = f" ({found.interval[0]:+.1f} to {found.interval[1]:+.1f})" if found.interval else ""
    return f"{found.value:+.1f}{interval}"


def train(folder: Path, options: argparse.Namespace, *arguments: str) -> Path:
    """Trains and freezes a model, or takes the one that an earlier call left.

    Args:
        folder: for checkpoint and model file.
        options: with `data`, `perceptual`, `precision` and `force`.
        arguments: of `python -m hvqcgic.train`, without those that the options stand for.
    Returns:
        the model file, named like its folder.
    Raises:
        TrainingFailed: the training or the export did not succeed.
    """
    model = folder / f"{folder.name}.safetensors"
    if model.is_file() and not options.force:
        sys.stderr.write(f"note: {model} is there already and is taken as it is; --force trains anew\n")
        return model
    common = ["--out", str(folder), "--force", "true", "--perceptual", options.perceptual]
    common += ["--precision", options.precision]
    # The experiment measures what comes of it itself.
    common += ["--training.validate_every", str(options.steps), "--training.validation_pictures", "1"]
    common += ["--training.file_pictures", "0"]
    common += ["--data", options.data] if options.data else []
    checkpoint = _run("hvqcgic.train", *arguments, *common).strip().splitlines()[-1]
    _run("hvqcgic.export", checkpoint, "-o", str(model), "--force")
    return model


def backbone_alone(model: str, path: Path) -> Path:
    """A model's backbone as a checkpoint of its stage: what starts from it has nothing of its entropy model."""
    import torch

    from hvqcgic.training import thawed_checkpoint

    checkpoint = thawed_checkpoint(model)
    checkpoint["hyper_parameters"]["stage"] = "backbone"
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    write_atomically(path, buffer.getvalue(), force=True)
    return path


def _run(module: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise TrainingFailed(f"python -m {module} {' '.join(arguments)}: ended with code {done.returncode}")
    return done.stdout


def show(
    rows: Sequence[Cells], *, title: str, path: Path, notes: Sequence[str] = (), headings: Sequence[str] | None = None
) -> None:
    """Prints rows as a table and writes them, with the notes, as JSON.

    Args:
        rows: values by heading; what a row lacks is left empty.
        title: of the table.
        path: of the JSON file.
        notes: sentences below the table.
        headings: in order; by default all that occur.
    """
    columns = list(headings or dict.fromkeys(heading for row in rows for heading in row))
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column == columns[0] else "right", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
    for note in notes:
        console.print(note, soft_wrap=True, highlight=False, markup=False)
    value = {"title": title, "rows": [dict(row) for row in rows], "notes": list(notes)}
    write_atomically(path, (json.dumps(value, indent=1) + "\n").encode(), force=True)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def saved_percent(bits: float, reference: float) -> float:
    """How many per cent fewer bits than a reference, to a tenth."""
    return round(100 * (1 - bits / reference), 1)


def triple(ratios: Sequence[float]) -> str:
    """Ratios for a table."""
    return ", ".join(f"{share:g}" for share in ratios)
