"""Peak memory of compressing and decompressing, for pictures of growing size, each in its own process.

    python -m tools.bench_memory [PICTURES ...] [--megapixels 1 4 24] [--model tiny] [--tile auto] [--steps 0]

Pictures of the requested sizes, three wide to two high, are assembled from the given pictures, enlarged to twice their
size and mirrored at seams; without pictures, from blurred noise. The table holds time, peak memory, and memory per
additional pixel: above the memory of the process with its model loaded, and above the previous size. The peak is the
system's count (VmHWM), including libraries.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from hvqcgic.errors import HvqcgicError
from hvqcgic.files import all_pictures, one_line

ROOT = Path(__file__).parents[1]
ENLARGED = 2
"""Enlargement of the pictures; downscaled photographs have more detail a pixel than a camera's pictures."""


@dataclass(frozen=True)
class Taken:
    """Time and memory of one process: seconds, megabytes with the model loaded, and peak megabytes."""

    seconds: float
    loaded_mb: float
    peak_mb: float


def main() -> int:
    """Print the table; in a child process, do one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", metavar="PICTURES", help="pictures or folders")
    parser.add_argument("--megapixels", nargs="+", type=float, default=[1, 4, 24], metavar="N")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--tile", default="auto", help="auto, or a side in pixels")
    parser.add_argument("--steps", type=int, default=0, help="steps of the reverse path when decompressing")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON line a run in place of the table")
    parser.add_argument("--only", nargs=3, metavar=("WAY", "FROM", "TO"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(asdict(run(*options.only, options=options))))
        return 0
    try:
        pictures = all_pictures(options.pictures) if options.pictures else ()
    except HvqcgicError as error:
        print(f"bench_memory: {one_line([error])}", file=sys.stderr)
        return 2
    show(options, pictures)
    return 0


def show(options: argparse.Namespace, pictures: Sequence[Path]) -> None:
    """Run all sizes and print a line for each."""
    before: dict[str, tuple[float, Taken]] = {}
    if not options.json:
        print(f"{options.model}, tile {options.tile}, {options.threads} threads")
        print(f"{'':<12}{'MP':>8}{'seconds':>10}{'peak MB':>10}{'bytes/px':>10}{'of growth':>11}")
    with tempfile.TemporaryDirectory() as folder:
        for megapixels in options.megapixels:
            picture, stream = Path(folder) / "x.ppm", Path(folder) / "x.hvq"
            canvas = lay(pictures, megapixels)
            canvas.save(picture)
            pixels = canvas.width * canvas.height / 1e6
            for way, source, target in (("compress", picture, stream), ("decompress", stream, picture)):
                taken = in_process(way, source, target, options)
                if options.json:
                    print(json.dumps({"way": way, "megapixels": pixels, **asdict(taken)}), flush=True)
                    continue
                growth = ""
                if way in before:
                    last_pixels, last = before[way]
                    growth = f"{(taken.peak_mb - last.peak_mb) / (pixels - last_pixels):.1f}"
                line = f"{way:<12}{pixels:>8.1f}{taken.seconds:>10.1f}{taken.peak_mb:>10.0f}"
                print(f"{line}{(taken.peak_mb - taken.loaded_mb) / pixels:>10.1f}{growth:>11}", flush=True)
                before[way] = pixels, taken


def in_process(way: str, source: Path, target: Path, options: argparse.Namespace) -> Taken:
    """Run one measurement in its own process."""
    command = [sys.executable, "-m", "tools.bench_memory", "--only", way, str(source), str(target)]
    command += ["--model", options.model, "--tile", options.tile, "--threads", str(options.threads)]
    command += ["--steps", str(options.steps)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return Taken(**json.loads(done.stdout))


def run(way: str, source: str, target: str, *, options: argparse.Namespace) -> Taken:
    """Compress or decompress a file, as the commands do."""
    import torch

    import hvqcgic
    from hvqcgic.pictures import allow_large_pictures

    torch.set_num_threads(options.threads)
    allow_large_pictures()
    tile = "auto" if options.tile == "auto" else int(options.tile)
    codec = hvqcgic.load(options.model, "cpu", tile=tile, precision="auto")
    loaded, start = memory_mb("VmRSS"), time.perf_counter()
    if way == "compress":
        Path(target).write_bytes(codec.compress(source))
    else:
        codec.decompress(Path(source).read_bytes(), steps=options.steps).save(target)
    return Taken(time.perf_counter() - start, loaded, memory_mb("VmHWM"))


def memory_mb(name: str) -> float:
    """A memory value of this process from Linux; unlike `ru_maxrss`, it excludes memory of the parent process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024 / 1e6


def lay(pictures: Sequence[Path], megapixels: float) -> Image.Image:
    """Assemble a picture of some megapixels from other pictures."""
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    canvas = Image.new("RGB", (round(1.5 * height), height))
    stones, top = stones_of(pictures), 0
    while top < canvas.height:
        left, row_height = 0, canvas.height
        while left < canvas.width:
            stone = next(stones)
            canvas.paste(stone, (left, top))
            left, row_height = left + stone.width, min(row_height, stone.height)
        top += row_height
    return canvas


def stones_of(pictures: Sequence[Path]) -> Iterator[Image.Image]:
    """Yield the pictures repeatedly, enlarged, plain and mirrored in turn."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    for number in itertools.count():
        if not pictures:
            stone = Image.fromarray(noise).resize((1536, 1024), Image.Resampling.BICUBIC)
        else:
            with Image.open(pictures[number % len(pictures)]) as image:
                size = image.width * ENLARGED, image.height * ENLARGED
                stone = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        yield ImageOps.mirror(stone) if number % 2 else stone


if __name__ == "__main__":
    sys.exit(main())
