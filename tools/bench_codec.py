"""Times of the stages of a codec on one picture, and times of other codecs in the same run.

    python -m tools.bench_codec [PICTURE] [--model tiny] [--steps 0] [--repeats 5] [--threads 2] [--against jpeg ...]

Stages are timed by wrapping their functions. All codecs take turns, so that other load on the machine affects them
equally. Figures are medians over `--repeats` runs, or `--slow-repeats` runs for slow codecs. `--clock cpu` counts the
processor seconds of this process, which vary less than wall seconds on a shared machine (with one thread). Without a
picture, procedural noise of 768 x 512 is coded, whose indices take more bits than a photograph's. `--against-version
TAG` measures an older version of this codec in turns with this one in place of other codecs.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import hvqcgic
from hvqcgic.codec import Codec
from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.files import one_line
from hvqcgic.models import precision_of
from hvqcgic.pictures import allow_large_pictures, read_picture
from hvqcgic.rate_control import GRANULARITY_ORDERS
from tools.bench_rivals import RIVALS, Pixels, Rival, make_rival
from tools.bench_versions import VersionsCompared, compare_versions, show_versions
from tools.stage_times import STAGES, Seconds, timed_stages

ENTROPY_CODING = ("map coding", "hyper-synthesis", "context networks", "index prior", "range coder")
"""Stages of entropy coding, between indices and bytes."""
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Compared:
    """Times of another codec, and the speed of this codec relative to it, for both directions.

    Attributes:
        name: of `RIVALS`.
        pixels: size of the coded picture, "768 x 512".
        compress: seconds.
        decompress: seconds.
        compress_ratio: this codec's pixels a second over the other's.
        decompress_ratio: this codec's pixels a second over the other's.
    """

    name: str
    pixels: str
    compress: float
    decompress: float
    compress_ratio: float
    decompress_ratio: float


@dataclass(frozen=True)
class Report:
    """The measured values.

    Attributes:
        setting: model, picture, its size, threads, clock, repeats.
        megapixels: of the picture.
        bytes: of the file.
        compress: seconds by stage, including "whole".
        decompress: seconds by stage, including "whole".
        others: the other codecs.
    """

    setting: str
    megapixels: float
    bytes: int
    compress: dict[str, float]
    decompress: dict[str, float]
    others: tuple[Compared, ...]


@dataclass(frozen=True)
class Bench:
    """Settings of a measurement: codec, picture, other codecs, repeats (also of slow ones), clock, steps, order."""

    codec: Codec
    source: Path | Pixels
    rivals: Sequence[Rival]
    repeats: int
    slow_repeats: int
    now: Callable[[], float]
    steps: int = 0
    granularity: str = "auto"

    def run(self, setting: str) -> Report:
        """Run all codecs in turns for all repeats; the first round is a warm-up and is not counted."""
        ways: dict[str, list[Seconds]] = {"compress": [], "decompress": []}
        others: dict[str, list[tuple[float, float]]] = {rival.name: [] for rival in self.rivals}
        data = b""
        for number in range(self.repeats + 1):
            data, took = self._timed(lambda: self.codec.compress(self.source, granularity=self.granularity))
            ways["compress"].append(took)
            ways["decompress"].append(self._timed(functools.partial(self.codec.decompress, data, steps=self.steps))[1])
            for rival in self.rivals:
                if not rival.slow or number < self.slow_repeats:
                    file, compress = self._timed(functools.partial(rival.encode, rival.pixels))
                    others[rival.name].append(
                        (compress["whole"], self._timed(lambda r=rival, f=file: r.decode(f))[1]["whole"])
                    )
        height, width = read_picture(self.source).shape[:2]
        own = {way: medians(runs[1:]) for way, runs in ways.items()}
        mp = height * width / 1e6
        compared = tuple(compare(rival, others[rival.name], own, mp) for rival in self.rivals)
        return Report(f"{setting}, {width} x {height}", mp, len(data), own["compress"], own["decompress"], compared)

    def _timed(self, call: Callable[[], Any]) -> tuple[Any, Seconds]:
        seconds: Seconds = defaultdict(float)
        with timed_stages(seconds, now=self.now):
            start = self.now()
            result = call()
            seconds["whole"] = self.now() - start
        return result, seconds


def medians(runs: Sequence[Seconds]) -> dict[str, float]:
    """Median of each stage; "the rest" is the part of the whole outside all stages."""
    stages = dict.fromkeys(stage for stage, _, _ in STAGES)
    found = {stage: statistics.median(run[stage] for run in runs) for stage in stages}
    whole = statistics.median(run["whole"] for run in runs)
    return {stage: spent for stage, spent in found.items() if spent} | {
        "the rest": max(0.0, whole - sum(found.values())),
        "whole": whole,
    }


def compare(rival: Rival, runs: list[tuple[float, float]], own: dict[str, dict[str, float]], mp: float) -> Compared:
    """Compare a codec with this one; its first run is not counted if there are more."""
    kept = runs[1:] or runs
    compress, decompress = (statistics.median(run[way] for run in kept) for way in (0, 1))
    height, width = rival.pixels.shape[:2]
    scale = mp / (height * width / 1e6)
    return Compared(
        name=rival.name,
        pixels=f"{width} x {height}",
        compress=compress,
        decompress=decompress,
        compress_ratio=compress * scale / own["compress"]["whole"],
        decompress_ratio=decompress * scale / own["decompress"]["whole"],
    )


def show(report: Report) -> None:
    """Print the tables."""
    console = Console(width=100)
    for way, seconds in (("compress", report.compress), ("decompress", report.decompress)):
        table = Table("stage", "seconds", "share", "MP/s", title=f"{way}: {report.setting}")
        entropy = sum(seconds.get(stage, 0) for stage in (*ENTROPY_CODING, "entropy coding, the rest"))
        for stage, spent in (*seconds.items(), ("of it entropy coding in all", entropy)):
            share = f"{100 * spent / seconds['whole']:.1f} %"
            table.add_row(stage, f"{spent:.3f}", share, f"{report.megapixels / max(spent, 1e-9):.2f}")
        console.print(table)
    if report.others:
        table = Table(
            "codec",
            "picture",
            "compress",
            "decompress",
            "as fast",
            "as fast",
            title="beside others: seconds; how many times as fast this one is, compressing, decompressing",
        )
        for other in report.others:
            ratios = f"{other.compress_ratio:.3g}", f"{other.decompress_ratio:.3g}"
            table.add_row(other.name, other.pixels, f"{other.compress:.3f}", f"{other.decompress:.3f}", *ratios)
        console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Encode and decode several times; print the medians. Exit code: 2 for a picture or model that cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--steps", type=int, default=0, help="steps of the reverse path when decompressing")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--slow-repeats", type=int, default=1, help="repeats of codecs that take many seconds")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="as of commands")
    parser.add_argument("--granularity", choices=GRANULARITY_ORDERS, default="auto", help="as of hvqcgic compress")
    parser.add_argument("--against", nargs="*", choices=RIVALS, default=list(RIVALS), help="others; empty for none")
    parser.add_argument("--against-version", metavar="TAG", help="a tag or commit, in place of other codecs")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each version (%(default)s)")
    parser.add_argument("--reference-size", default="256x176", help="width x height of the picture for control-gic")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        report = beside_older(options) if options.against_version else measure(options)
    except HvqcgicError as error:
        print(f"bench_codec: {one_line([error])}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(dataclasses.asdict(report)))
    elif isinstance(report, VersionsCompared):
        show_versions(report)
    else:
        show(report)
    return 0


def beside_older(options: argparse.Namespace) -> VersionsCompared:
    """Run the measurement of two versions that the options request; each takes its own bundled model."""
    if options.rounds < 1:
        raise ConfigError(f"--rounds {options.rounds}: at least 1 turn of each version is measured")
    model = str(Path(options.model).resolve()) if Path(options.model).is_file() else options.model
    passed_on = ["--model", model, "--steps", str(options.steps), "--repeats", str(options.repeats)]
    passed_on += ["--threads", str(options.threads), "--clock", options.clock]
    if options.picture is not None:
        passed_on.insert(0, str(options.picture.resolve()))
    own = ["--precision", options.precision, "--granularity", options.granularity]
    return compare_versions(options.against_version, passed_on, rounds=options.rounds, own=own)


def measure(options: argparse.Namespace) -> Report:
    """Run the measurement that the options request."""
    allow_large_pictures()
    source = options.picture or np.random.default_rng(0).integers(0, 256, (512, 768, 3), dtype=np.uint8)
    pixels, (width, height) = read_picture(source), map(int, options.reference_size.split("x"))
    rivals = [make_rival(name, pixels, (height, width)) for name in options.against]
    codec = hvqcgic.load(options.model, "cpu", precision=options.precision)
    repeats, clock = (options.repeats, options.slow_repeats), CLOCKS[options.clock]
    bench = Bench(codec, source, rivals, *repeats, clock, options.steps, options.granularity)
    name = "noise" if options.picture is None else options.picture.name
    threads = f"{precision_of(codec.networks)}, {options.threads} threads"
    return bench.run(f"{options.model}, {threads}, {options.clock} seconds, {name}")


if __name__ == "__main__":
    sys.exit(main())
