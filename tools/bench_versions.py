"""An older version of the codec beside this one: its code is checked out, and both are measured in turns.

Both run in processes of their own, with the libraries of this environment. The speed of a machine drifts from minute to
minute, so ratios are those of neighbouring turns: for each round of an older and a new measurement one ratio, and the
median over the rounds. An older version must know the options of `tools.bench_codec` that are passed on.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from hvqcgic.errors import ConfigError
from hvqcgic.files import one_line, reason

ROOT = Path(__file__).parents[1]
WAYS = ("compress", "decompress")


@dataclass(frozen=True)
class StageCompared:
    """Seconds of one stage in two versions.

    Attributes:
        way: "compress" or "decompress".
        stage: its name, as in `tools.stage_times`, or "whole".
        older: median over the rounds, seconds; 0 for a stage that the older version lacks.
        newer: median over the rounds, seconds; 0 for a stage that this version lacks.
        ratio: median over the rounds of older / newer: how many times as fast this version is; None beside a 0.
        lowest: smallest of these ratios.
        highest: largest of these ratios.
    """

    way: str
    stage: str
    older: float
    newer: float
    ratio: float | None
    lowest: float | None
    highest: float | None


@dataclass(frozen=True)
class VersionsCompared:
    """Two versions on one picture.

    Attributes:
        revision: of the older version, as it was asked for.
        setting: model, threads, clock, picture and its size.
        rounds: number of measurements of each version.
        bytes: size of the file, of the older and of this version.
        stages: of both ways.
    """

    revision: str
    setting: str
    rounds: int
    bytes: tuple[int, int]
    stages: tuple[StageCompared, ...]


def compare_versions(
    revision: str, arguments: Sequence[str], *, rounds: int, own: Sequence[str] = ()
) -> VersionsCompared:
    """Measure an older version and this one in turns.

    Args:
        revision: a tag or commit of this checkout.
        arguments: of `tools.bench_codec`, for both versions; paths must be absolute.
        rounds: measurements of each version, at least 1.
        own: further arguments, for this version alone.

    Raises:
        ConfigError: there is no such revision, or a measurement ended with an error.
    """
    found: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
    with checked_out(revision) as folder:
        for _ in track(range(rounds), "rounds", console=Console(stderr=True), disable=not sys.stderr.isatty()):
            found.append((_measured(folder, arguments), _measured(ROOT, [*arguments, *own])))
    stages = [
        _compared(way, stage, [(older[way].get(stage, 0.0), newer[way].get(stage, 0.0)) for older, newer in found])
        for way in WAYS
        for stage in {**found[0][0][way], **found[0][1][way]}
    ]
    older, newer = found[-1]
    return VersionsCompared(revision, newer["setting"], rounds, (older["bytes"], newer["bytes"]), tuple(stages))


@contextlib.contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """A temporary folder with the files of a revision of this checkout; see `compare_versions`."""
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", f"{revision}^{{commit}}"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        raise ConfigError(f"--against-version {revision}: git cannot be run ({reason(error)}); install it") from error
    if done.returncode:
        raise ConfigError(
            f"--against-version {revision}: {one_line([done.stderr.decode().strip()])}; `git tag` and `git log` list "
            f"the versions of this checkout"
        )
    with tempfile.TemporaryDirectory(prefix="hvqcgic-") as folder:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def _measured(folder: Path, arguments: Sequence[str]) -> Mapping[str, Any]:
    """The report of `tools.bench_codec` in a folder with a version's files."""
    command = [sys.executable, "-m", "tools.bench_codec", *arguments, "--json", "--against"]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ConfigError(f"the measurement in {folder} ended with code {done.returncode}: {last}")
    return json.loads(done.stdout.splitlines()[-1])


def _compared(way: str, stage: str, seconds: Sequence[tuple[float, float]]) -> StageCompared:
    older, newer = (statistics.median(pair[k] for pair in seconds) for k in (0, 1))
    ratios = [before / after for before, after in seconds if before and after]
    if not ratios:
        return StageCompared(way, stage, older, newer, None, None, None)
    return StageCompared(way, stage, older, newer, statistics.median(ratios), min(ratios), max(ratios))


def show_versions(report: VersionsCompared) -> None:
    """Print one table for each way."""
    console = Console(width=100)
    for way in WAYS:
        table = Table("stage", f"{report.revision}, s", "this version, s", "times as fast", title=way)
        for row in report.stages:
            if row.way == way:
                table.add_row(row.stage, f"{row.older:.3f}", f"{row.newer:.3f}", _ratio(row))
        console.print(table)
    console.print(f"{report.setting}; {report.rounds} rounds in turns; bytes: {report.bytes[0]}, {report.bytes[1]}")


def _ratio(row: StageCompared) -> str:
    if row.ratio is None:
        return ""
    return f"{row.ratio:.2f} ({row.lowest:.2f} to {row.highest:.2f})"
