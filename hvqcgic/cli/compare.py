"""`hvqcgic compare`: the file size of every coding mode for the same indices."""

import argparse
from pathlib import Path
from typing import Any

from hvqcgic.bitstream import MODES
from hvqcgic.cli.attempt import Done
from hvqcgic.cli.batch import Report, run_batch
from hvqcgic.cli.codec_options import EncoderJob, add_encoder_options, find_pictures

SUMMARY = "compare the coding modes on the same indices"
EXAMPLE = "hvqcgic compare photo.jpg"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_encoder_options(parser)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Compare the modes on each picture; return the exit code."""
    from hvqcgic.cli.terminal import say, say_json

    inputs = find_pictures(arguments)
    job = _Job(arguments)
    report = _Report(as_json=arguments.json)
    code = run_batch(inputs, job.compare, label="compare", report=report)
    if arguments.json and report.results:
        say_json({"model": job.codec.name, **job.asked(), "pictures": report.results})
    elif len(report.results) > 1:
        say(format_mean(report.results))
    return code


class _Report(Report):
    """Collect the results; programs get one JSON document."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__(as_json=as_json)
        self.results: list[dict[str, Any]] = []

    def done(self, path: Path, done: Done) -> str:
        """Store a result; return the mean saving so far."""
        self.results.append(done.facts)
        if not self.as_json:
            super().done(path, done)
        saved = saving_percent(_mean_bytes(self.results), "static-arithmetic")
        return f"adaptive saves {saved:.1f} % of static arithmetic"

    def failed(self, path: Path, message: str) -> None:
        """Omit a failed file."""


class _Job(EncoderJob):
    """Settings of one call of the command."""

    def compare(self, path: Path) -> Done:
        """Code one picture in every mode."""
        from hvqcgic.files import STANDARD, check_readable_picture, is_pipe, name_of

        if not is_pipe(path):
            check_readable_picture(path)  # before the imports that take longer
        from hvqcgic.pictures import allow_large_pictures, read_picture

        allow_large_pictures()
        picture = read_picture(path, name_of(path))
        encoded = self.codec.encode(picture, ratios=self.arguments.ratios, quality=self.arguments.quality)
        written = {coding: self.codec.write(encoded, coding=coding) for coding in MODES}
        facts = {
            "name": name_of(path) if path == STANDARD else path.name,
            "width": encoded.width,
            "height": encoded.height,
            "bytes": {coding: len(result.data) for coding, result in written.items()},
            "estimated_bits": float(written["adaptive"].estimated_bits),
            "parts": {part: float(bits) for part, bits in written["adaptive"].parts.items()},
        }
        return Done(format_picture(facts), facts)


def saving_percent(sizes: dict[str, float], coding: str) -> float:
    """Saving of `adaptive` against another mode, in per cent of that mode's size."""
    return 100 * (1 - sizes["adaptive"] / sizes[coding])


def format_picture(result: dict[str, Any]) -> str:
    """Format one picture's sizes as a table, with the estimated bits beside the bits of the file."""
    from hvqcgic.files import printable

    n_px = result["width"] * result["height"]
    real_bits = 8 * result["bytes"]["adaptive"]
    estimated_bits = result["estimated_bits"]
    lines = [
        f"{printable(result['name'])}: {result['width']} x {result['height']} pixels",
        *_table(result["bytes"], {coding: 8 * size / n_px for coding, size in result["bytes"].items()}),
        f"  adaptive: {real_bits} bits in the file, {estimated_bits:.1f} estimated "
        f"({100 * (real_bits / estimated_bits - 1):+.2f} %)",
    ]
    return "\n".join(lines)


def format_mean(results: list[dict[str, Any]]) -> str:
    """Format the mean sizes of several pictures as a table; bpp is the mean of the pictures' bpp."""
    bpp = {
        coding: sum(8 * result["bytes"][coding] / (result["width"] * result["height"]) for result in results)
        / len(results)
        for coding in MODES
    }
    return "\n".join([f"mean of {len(results)} pictures", *_table(_mean_bytes(results), bpp)])


def _mean_bytes(results: list[dict[str, Any]]) -> dict[str, float]:
    return {coding: sum(result["bytes"][coding] for result in results) / len(results) for coding in MODES}


def _table(sizes: dict[str, float], bpp: dict[str, float]) -> list[str]:
    lines = [f"  {'coding':<18}{'bytes':>10}{'bpp':>10}{'adaptive saves':>17}"]
    for coding, size in sizes.items():
        saved = "" if coding == "adaptive" else f"{saving_percent(sizes, coding):.1f} %"
        lines.append(f"  {coding:<18}{size:>10.0f}{bpp[coding]:>10.4f}{saved:>17}".rstrip())
    return lines
