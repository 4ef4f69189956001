"""`hvqcgic decompress`: `.hvq` files to pictures."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hvqcgic.cli.attempt import Done
from hvqcgic.cli.batch import Report, file_facts, run_batch
from hvqcgic.cli.batch_options import add_batch_options, clean_folders, share_out_jobs
from hvqcgic.cli.codec_options import add_codec_options, check_options, load_codec, positive
from hvqcgic.cli.existing import existing_picture
from hvqcgic.cli.formats import add_format_options, check_format, format_of, result_suffixes
from hvqcgic.cli.reverse_options import add_reverse_options, in_words, sampling_of
from hvqcgic.cli.streams import arrow, check_once, results_to_stdout, write_result
from hvqcgic.errors import ConfigError, ModelMismatch

if TYPE_CHECKING:
    from hvqcgic.codec import Codec

SUMMARY = "decompress .hvq files to pictures"
EXAMPLE = "hvqcgic decompress coded/ -o opened/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("inputs", nargs="+", metavar="IN", help=".hvq files, or folders of them; - for standard input")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="DIR_OR_FILE",
        help="a folder (created if missing) for one NAME.png per .hvq file; or, for one .hvq file, a path that ends in "
        ".png, .bmp, .ppm, .tif, .jp2, .jpg, .webp or .avif, or - for standard output",
    )
    add_format_options(parser)
    add_codec_options(
        parser,
        default_model=None,
        model_help="a bundled model or a model file (default: the bundled model that the stream was made with)",
    )
    parser.add_argument(
        "--preview",
        type=positive,
        metavar="PASSES",
        help="read only the first N passes of each file, from 1 (coarse cells), and fill the other cells with codes "
        "that the model expects",
    )
    parser.add_argument(
        "--partial",
        action="store_true",
        help="accept incomplete files, such as a download in progress, and decode the available part",
    )
    add_reverse_options(parser)
    add_batch_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Decompress each file; return the exit code."""
    from hvqcgic.files import STREAM_SUFFIX, find_inputs, plan_outputs

    inputs = find_inputs(arguments.inputs, (STREAM_SUFFIX,), "streams")
    plan = plan_outputs(inputs, arguments.output, result_suffixes(arguments), full_names=arguments.full_names)
    check_format(arguments, plan.values())
    check_options(arguments)
    _check_together(arguments)
    if arguments.skip_existing:
        check_once([*plan, *plan.values()], "--skip-existing", "compares a result with its stream")
    clean_folders(plan)
    jobs = share_out_jobs(arguments, len(inputs.paths))
    report, work = Report(as_json=arguments.json), _Job(arguments, plan).decompress
    with results_to_stdout(plan.values()):
        return run_batch(inputs, work, label="decompress", report=report, jobs=jobs, resumable=True)


def _check_together(arguments: argparse.Namespace) -> None:
    """Raise `ConfigError` for options that cannot be combined."""
    previews = arguments.preview or arguments.partial
    if arguments.skip_existing and previews:
        raise ConfigError("--skip-existing cannot tell a preview from the whole picture; leave one of them out")
    if not arguments.steps:
        return
    if previews:
        raise ConfigError("--steps need the whole stream, which --preview and --partial do not read; leave them out")
    if arguments.skip_existing:
        raise ConfigError("--skip-existing cannot tell pictures of some --steps from others; leave one of them out")
    from hvqcgic.models import check_steps

    check_steps(arguments.steps, arguments.randomness)


@dataclass
class _Job:
    """Settings of one call of the command, and the codecs loaded so far, by model."""

    arguments: argparse.Namespace
    plan: dict[Path, Path]
    codecs: dict[str, "Codec"] = field(default_factory=dict)

    def decompress(self, path: Path) -> Done:
        """Decompress one file, or skip an existing result."""
        from hvqcgic.files import check_output, name_of, read_stream

        arguments, output = self.arguments, self.plan[path]
        replaces = arguments.force or arguments.skip_existing
        check_output(path, output, force=replaces)
        if arguments.skip_existing and (skipped := self._find_done(path, output)):
            return skipped
        data = read_stream(path)
        codec = self._codec_for(data)
        previews = arguments.preview or arguments.partial
        seen = codec.preview(data, max_passes=arguments.preview, partial=arguments.partial) if previews else None
        sampling = sampling_of(arguments)
        image = seen.picture if seen else codec.decompress(data, **sampling)
        from hvqcgic.pictures import encode_picture

        write_result(
            output, encode_picture(image, format_of(arguments, output), quality=arguments.quality), force=replaces
        )
        facts = file_facts(path, output, width=image.width, height=image.height, n_bytes=len(data))
        text = f"{arrow(path, output)}: {image.width} x {image.height} pixels from {len(data)} bytes"
        if seen is None:
            return Done(text + in_words(sampling), {**facts, "model": codec.name, **sampling})
        remarks = (
            () if seen.checked else (f"{name_of(path)}: cut short, or damaged: its checksum could not be checked",)
        )
        seen_facts = {"passes": list(seen.passes), "bytes_read": seen.bytes_read, "share_read": seen.share_read}
        return Done(
            f"{arrow(path, output)}: {image.width} x {image.height} pixels from {len(seen.passes)} passes, about "
            f"{seen.bytes_read} of {len(data)} bytes; {seen.share_read:.0%} of the cells read, the others completed",
            {**facts, "model": codec.name, **seen_facts, "checked": seen.checked},
            remarks=remarks,
        )

    def _codec_for(self, data: bytes) -> "Codec":
        """Return the codec of the bundled model whose fingerprint the file has, or the requested codec."""
        from hvqcgic.bitstream import unpack, unpack_start

        model = self.arguments.model
        if not model:
            header = unpack_start(data, partial=True).header if self.arguments.partial else unpack(data).header
            model = bundled_model_for(header.fingerprint)
        if model not in self.codecs:
            self.codecs[model] = load_codec(self.arguments, model)
        return self.codecs[model].for_file(data)

    def _find_done(self, path: Path, output: Path) -> Done | None:
        from hvqcgic.pictures import allow_large_pictures

        allow_large_pictures()
        found = existing_picture(path, output, force=self.arguments.force)
        if found is None:
            return None
        header = found.header
        facts = file_facts(path, output, width=header.width, height=header.height, n_bytes=found.n_bytes)
        text = f"{arrow(path, output)}: there already, {header.width} x {header.height} pixels; skipped"
        return Done(text, facts, skipped=True)


def bundled_model_for(fingerprint: bytes) -> str:
    """Return the name of the bundled or retired model with this fingerprint.

    Raises:
        ModelMismatch: none has it; the message lists the bundled models.
        ModelError: none has it, and a bundled model is damaged.
    """
    from hvqcgic.model_files import bundled_models, bundled_name, read_summary, retired_models

    if (name := bundled_name(fingerprint)) is not None:
        return name
    summaries = [read_summary(path) for path in (bundled_models() | retired_models()).values()]
    known = ", ".join(f"{summary.name} has {summary.fingerprint.hex()}" for summary in summaries) or "none is bundled"
    raise ModelMismatch(
        f"made with a model of fingerprint {fingerprint.hex()}, which is not bundled ({known}); name its file: --model"
    )
