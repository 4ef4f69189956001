"""`hvqcgic decompress`: `.hvq` files to pictures."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvqcgic.commands.codec_options import add_codec_options, check_options, load_codec
from hvqcgic.errors import ModelMismatch

if TYPE_CHECKING:
    from hvqcgic.codec import Codec

SUMMARY = "decompress .hvq files to pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("inputs", nargs="+", metavar="IN", help=".hvq files, or folders of them")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="DIR_OR_FILE",
        help="a folder (made if need be), where each stream becomes NAME.png; or, for one stream, a file that ends "
        "in .png, .bmp, .ppm, .tif or .tiff",
    )
    add_codec_options(
        parser,
        default_model=None,
        model_help="a bundled model or a model file (default: the bundled model that the stream was made with)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Decompress each stream; return the exit code."""
    from hvqcgic.commands.batch import run_batch
    from hvqcgic.commands.terminal import say_json
    from hvqcgic.files import LOSSLESS_SUFFIXES, STREAM_SUFFIX, find_inputs, plan_outputs

    inputs = find_inputs(arguments.inputs, (STREAM_SUFFIX,), "streams")
    plan = plan_outputs(inputs, arguments.output, LOSSLESS_SUFFIXES)
    check_options(arguments)
    job = _Job(arguments, plan)
    code = run_batch(inputs, job.decompress, label="decompress")
    if arguments.json and job.results:
        say_json({"pictures": job.results})
    return code


@dataclass
class _Job:
    """One call of the command: its settings, the codecs loaded so far by model, and the results so far."""

    arguments: argparse.Namespace
    plan: dict[Path, Path]
    codecs: dict[str, "Codec"] = field(default_factory=dict)
    results: list[dict[str, Any]] = field(default_factory=list)

    def decompress(self, path: Path) -> str:
        """Decompress one stream."""
        from hvqcgic.bitstream import unpack
        from hvqcgic.commands.terminal import say
        from hvqcgic.files import check_output, read_stream, write_atomically
        from hvqcgic.picture import encode_picture

        output = self.plan[path]
        check_output(path, output, force=self.arguments.force)
        data = read_stream(path)
        model = self.arguments.model or bundled_model_for(unpack(data).header.fingerprint)
        if model not in self.codecs:
            self.codecs[model] = load_codec(self.arguments, model)
        image = self.codecs[model].decompress(data)
        write_atomically(output, encode_picture(image, output.suffix), force=self.arguments.force)
        self.results.append(
            {
                "name": path.name,
                "output": str(output),
                "model": self.codecs[model].name,
                "width": image.width,
                "height": image.height,
                "bytes": len(data),
                "bpp": 8 * len(data) / (image.width * image.height),
            }
        )
        if not self.arguments.json:
            say(f"{path} -> {output}: {image.width} x {image.height} pixels from {len(data)} bytes")
        return ""


def bundled_model_for(fingerprint: bytes) -> str:
    """The name of the bundled model that has a fingerprint.

    Raises:
        ModelMismatch: none has; the message names those that there are.
    """
    from hvqcgic.model_file import bundled_models, read_summary

    summaries = [read_summary(path) for path in bundled_models().values()]
    for summary in summaries:
        if summary.fingerprint == fingerprint:
            return summary.name
    known = ", ".join(f"{summary.name} has {summary.fingerprint.hex()}" for summary in summaries) or "none is bundled"
    raise ModelMismatch(
        f"made with a model of fingerprint {fingerprint.hex()}, which is not bundled ({known}); name its file: --model"
    )
