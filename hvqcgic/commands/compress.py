"""`hvqcgic compress`: pictures to `.hvq` files."""

import argparse
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvqcgic.bitstream import MODES
from hvqcgic.commands.codec_options import EncoderJob, add_encoder_options, find_pictures
from hvqcgic.commands.rate_options import add_rate_options, operating_point

if TYPE_CHECKING:
    from hvqcgic.files import Inputs
    from hvqcgic.rate_control import OperatingPoint
    from hvqcgic.rate_control.allocation import Curve

SUMMARY = "compress pictures to .hvq files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_encoder_options(parser)
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="DIR_OR_FILE",
        help="a folder (made if need be), where each picture becomes NAME.hvq; or, for one picture, a .hvq file",
    )
    parser.add_argument(
        "--coding", choices=MODES, default="adaptive", help="how the indices are coded (default: adaptive)"
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    add_rate_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compress each picture; return the exit code."""
    from hvqcgic.commands.batch import run_batch
    from hvqcgic.commands.terminal import say_json
    from hvqcgic.files import STREAM_SUFFIX, plan_outputs

    inputs = find_pictures(arguments)
    point = operating_point(arguments)
    job = _Job(arguments, point=point, plan=plan_outputs(inputs, arguments.output, (STREAM_SUFFIX,)))
    code = 0
    if arguments.budget is not None:
        code, inputs = job.share_budget(inputs)
    code = max(code, run_batch(inputs, job.compress, label="compress")) if inputs.paths or inputs.problems else code
    if arguments.json and job.results:
        say_json(job.summary() | {"coding": arguments.coding})
    return code


@dataclass
class _Job(EncoderJob):
    """One call of the command, what it asks for, and where each picture's file goes."""

    point: "OperatingPoint | None" = None
    plan: dict[Path, Path] = field(default_factory=dict)
    shares: dict[Path, int] = field(default_factory=dict)
    left_over: int = 0

    def share_budget(self, inputs: "Inputs") -> "tuple[int, Inputs]":
        """Share the budget out; return the exit code of looking at the pictures, and those that can be compressed."""
        from hvqcgic.commands.batch import run_batch
        from hvqcgic.rate_control.allocation import measure_curve, share_out

        curves: dict[Path, Curve] = {}

        def look(path: Path) -> str:
            arguments = self.arguments
            curves[path] = measure_curve(
                self.codec, path, by=arguments.budget_by, point=self.point, coding=arguments.coding
            )
            return ""

        code = run_batch(inputs, look, label="look at")
        shares = share_out(
            list(curves.values()), total_bytes=self.arguments.budget, per_image_max=self.arguments.per_image_max
        )
        self.shares = dict(zip(curves, shares, strict=True))
        return code, replace(inputs, paths=tuple(curves), problems=())

    def compress(self, path: Path) -> str:
        """Compress one picture; return the mean rate so far."""
        from hvqcgic.commands.terminal import complain, say
        from hvqcgic.files import check_output, write_atomically
        from hvqcgic.picture import read_picture

        output = self.plan[path]
        check_output(path, output, force=self.arguments.force)
        point = self._point_of(path)
        # Before the model is loaded: a bad picture is named sooner.
        picture = read_picture(path)
        found = self.codec.compress_at(picture, point, coding=self.arguments.coding)
        write_atomically(output, found.written.data, force=self.arguments.force)
        encoded, written = found.reached.encoded, found.written
        if self.shares and point.max_bytes is not None:
            self.left_over = point.max_bytes - len(written.data)
        if found.reached.clamped:
            complain(f"{path}: {found.reached.clamped}; took the nearest")
        result = {
            "name": path.name,
            "output": str(output),
            "width": encoded.width,
            "height": encoded.height,
            "bytes": len(written.data),
            "bpp": 8 * len(written.data) / (encoded.width * encoded.height),
            "estimated_bits": float(written.estimated_bits),
            "parts": {part: float(bits) for part, bits in written.parts.items()},
            "place": found.reached.place,
            "eta": found.reached.eta,
            "trials": found.reached.trials,
        }
        self.results.append(result)
        if not self.arguments.json:
            say(_summary_line(path, result))
        return f"mean {sum(result['bpp'] for result in self.results) / len(self.results):.3f} bpp"

    @cached_property
    def _most(self) -> float:
        limit = self.arguments.per_image_max
        return float("inf") if limit is None else limit

    def _point_of(self, path: Path) -> "OperatingPoint":
        """What is asked of one picture: its share of a budget takes over what earlier ones left of theirs."""
        assert self.point is not None
        if path not in self.shares:
            return self.point
        return replace(self.point, max_bytes=int(min(self.shares[path] + self.left_over, self._most)))


def _summary_line(path: Path, result: dict[str, Any]) -> str:
    parts = result["parts"]
    shares = {
        "indices": sum(parts[granularity] for granularity in ("coarse", "medium", "fine")),
        "side information": parts["z"],
        "map": parts["map"],
        "container": parts["container"],
    }
    total = sum(shares.values())
    text = ", ".join(f"{name} {100 * bits / total:.1f} %" for name, bits in shares.items())
    return f"{path} -> {result['output']}: {result['bytes']} bytes, {result['bpp']:.4f} bpp; {text}"
