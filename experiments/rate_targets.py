"""How well rates are reached, and what they cost: `compress --bpp` and `--max-bytes` against a plain encode.

    python experiments/rate_targets.py PICTURES... --out FOLDER [--bpp 0.08 0.12 ...] [--max-bytes 4000 ...]

For every picture and target that it can reach: the relative error of the real file, and the time of `Codec.compress`
as a multiple of that at the model's default ratios, measured next to each other. Pictures that cannot reach a target
are counted apart.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch
from rich.progress import track

import hvqcgic
from hvqcgic.codec import Codec
from hvqcgic.errors import Unreachable
from hvqcgic.files import all_pictures
from hvqcgic.pictures import read_picture
from hvqcgic.rate_control import GRANULARITY_ORDERS, OperatingPoint


@dataclass(frozen=True)
class Met:
    """One picture at one target.

    Attributes:
        error: of the file's size, relative to the target.
        bytes_off: of the file's size.
        ratio: time against a plain encode.
        trials: operating points that were tried.
    """

    error: float
    bytes_off: int
    ratio: float
    trials: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Compresses to every target, and prints the table."""
    parser = common.parser(__doc__)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--bpp", nargs="*", type=float, default=[0.06, 0.1, 0.15, 0.2, 0.3])
    parser.add_argument("--max-bytes", nargs="*", type=int, default=[])
    parser.add_argument("--eta", help="number or auto (default: the encoder's)")
    parser.add_argument("--granularity", default="auto", choices=GRANULARITY_ORDERS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.jobs or torch.get_num_threads())
    codec = hvqcgic.load(options.model, device="cpu")
    eta: Any = options.eta if options.eta in (None, "auto") else float(options.eta)
    wanted = [("bpp", value) for value in options.bpp] + [("max_bytes", value) for value in options.max_bytes]
    met: dict[tuple[str, float], list[Met]] = {each: [] for each in wanted}
    pictures = all_pictures(options.pictures)
    for path in track(pictures, "compress", transient=True, disable=not sys.stderr.isatty()):
        for each in wanted:
            choices: dict[str, Any] = {each[0]: each[1], "eta": eta, "granularity": options.granularity}
            found = reach(codec, path, OperatingPoint(**choices))
            met[each] += [found] if found else []
    rows = [line(name, value, met[name, value], len(pictures)) for name, value in wanted]
    notes = [
        "Error: size of the real file against the target; below 0 it is smaller. Of max_bytes, only files that the "
        "limit made smaller count.",
        f"Time against a plain encode of the same picture at {common.triple(codec.config.default_ratios)}; "
        f"{torch.get_num_threads()} threads.",
    ]
    common.show(rows, title=f"Targets of {codec.name}", path=options.out / "rate_targets.json", notes=notes)


def reach(codec: Codec, path: Path, point: OperatingPoint) -> Met | None:
    """One picture at one target; None where it is out of reach, or no limit at all."""
    picture = read_picture(path)
    plain = seconds(codec, picture, OperatingPoint(granularity=point.granularity))[0]
    try:
        took, found = seconds(codec, picture, point)
    except Unreachable:
        return None
    size, pixels = len(found.written.data), picture.shape[0] * picture.shape[1]
    aim = point.max_bytes if point.bpp is None else point.bpp * pixels / 8
    assert aim is not None
    if point.max_bytes is not None and found.reached.place == 1:
        return None
    return Met(size / aim - 1, round(size - aim), took / plain, found.reached.trials)


def seconds(codec: Codec, picture: Any, point: OperatingPoint) -> tuple[float, Any]:
    """Time to compress, and what came of it."""
    start = time.perf_counter()
    found = codec.compress_at(picture, point)
    return time.perf_counter() - start, found


def line(name: str, value: float, met: Sequence[Met], pictures: int) -> dict[str, Any]:
    """A row of the table."""
    row: dict[str, Any] = {"target": f"{name} {value:g}", "reached by": f"{len(met)} of {pictures}"}
    if not met:
        return row
    errors = np.array([each.error for each in met])
    worst = met[int(np.abs(errors).argmax())]
    ratios = np.array([each.ratio for each in met])
    return row | {
        "mean |error| %": round(100 * float(np.abs(errors).mean()), 3),
        "worst error %": round(100 * worst.error, 3),
        "worst, bytes": worst.bytes_off,
        "above the target": int((errors > 0).sum()),
        "trials": round(float(np.mean([each.trials for each in met])), 2),
        "time, median": round(float(np.median(ratios)), 2),
        "time, worst": round(float(ratios.max()), 2),
    }


if __name__ == "__main__":
    sys.exit(common.call(main))
