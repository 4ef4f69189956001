"""`hvqcgic compress`: pictures to `.hvq` files."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hvqcgic.bitstream import MODES
from hvqcgic.commands.codec_options import EncoderJob, add_encoder_options, find_pictures

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


def run(arguments: argparse.Namespace) -> int:
    """Compress each picture; return the exit code."""
    from hvqcgic.commands.batch import run_batch
    from hvqcgic.commands.terminal import say_json
    from hvqcgic.files import STREAM_SUFFIX, plan_outputs

    inputs = find_pictures(arguments)
    job = _Job(arguments, plan=plan_outputs(inputs, arguments.output, (STREAM_SUFFIX,)))
    code = run_batch(inputs, job.compress, label="compress")
    if arguments.json and job.results:
        say_json(job.summary() | {"coding": arguments.coding})
    return code


@dataclass
class _Job(EncoderJob):
    """One call of the command, and where each picture's file goes."""

    plan: dict[Path, Path] = field(default_factory=dict)

    def compress(self, path: Path) -> str:
        """Compress one picture; return the mean rate so far."""
        from hvqcgic.commands.terminal import say
        from hvqcgic.files import check_output, write_atomically
        from hvqcgic.picture import read_picture

        output = self.plan[path]
        check_output(path, output, force=self.arguments.force)
        picture = read_picture(path)
        encoded = self.codec.encode(picture, ratios=self.arguments.ratios)
        written = self.codec.write(encoded, coding=self.arguments.coding)
        write_atomically(output, written.data, force=self.arguments.force)
        result = {
            "name": path.name,
            "output": str(output),
            "width": encoded.width,
            "height": encoded.height,
            "bytes": len(written.data),
            "bpp": 8 * len(written.data) / (encoded.width * encoded.height),
            "estimated_bits": float(written.estimated_bits),
            "parts": {part: float(bits) for part, bits in written.parts.items()},
        }
        self.results.append(result)
        if not self.arguments.json:
            say(_summary_line(path, result))
        return f"mean {sum(result['bpp'] for result in self.results) / len(self.results):.3f} bpp"


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
