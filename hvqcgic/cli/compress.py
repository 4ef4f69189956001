"""`hvqcgic compress`: pictures to `.hvq` files."""

import argparse
import os
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvqcgic.bitstream import MODES
from hvqcgic.cli.attempt import Done
from hvqcgic.cli.batch import Report, file_facts, run_batch
from hvqcgic.cli.batch_options import add_batch_options, clean_folders, share_out_jobs
from hvqcgic.cli.codec_options import EncoderJob, add_encoder_options, find_pictures
from hvqcgic.cli.existing import Wanted, existing_stream
from hvqcgic.cli.rate_options import add_rate_options, operating_point
from hvqcgic.cli.streams import arrow, check_once, results_to_stdout, write_result
from hvqcgic.cli.terminal import step_bar
from hvqcgic.errors import ConfigError
from hvqcgic.files import name_of

if TYPE_CHECKING:
    from hvqcgic.codec import Compressed
    from hvqcgic.files import Inputs
    from hvqcgic.rate_control import Curve, OperatingPoint

SUMMARY = "compress pictures to .hvq files"
EXAMPLE = "hvqcgic compress photos/ -o coded/ --bpp 0.2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_encoder_options(parser)
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="DIR_OR_FILE",
        help="a folder (created if missing) for one NAME.hvq per picture; or, for one picture, a .hvq file, or - for "
        "standard output",
    )
    parser.add_argument(
        "--metadata",
        choices=("drop", "keep"),
        default="drop",
        help="keep EXIF, XMP, the resolution and a colour profile wider than sRGB in the file (default: drop)",
    )
    parser.add_argument(
        "--coding", choices=MODES, default="adaptive", help="coding mode of the indices (default: adaptive)"
    )
    add_batch_options(parser)
    add_rate_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compress each picture; return the exit code."""
    from hvqcgic.files import STREAM_SUFFIX, plan_outputs

    inputs = find_pictures(arguments)
    operating_point(arguments)
    _check_budget_alone(arguments)
    plan = plan_outputs(inputs, arguments.output, (STREAM_SUFFIX,), full_names=arguments.full_names)
    job = _Job(arguments, plan=plan)
    if arguments.budget is not None:
        check_once(inputs.paths, "--budget", "reads each picture twice")
    if arguments.skip_existing:
        check_once([*job.plan, *job.plan.values()], "--skip-existing", "compares a result with its picture")
    clean_folders(job.plan)
    report = _Report(as_json=arguments.json)
    with results_to_stdout(job.plan.values()):
        if arguments.budget is not None:
            return job.compress_to_budget(inputs, report)
        jobs = share_out_jobs(arguments, len(inputs.paths))
        return run_batch(inputs, job.compress, label="compress", report=report, jobs=jobs, resumable=True)


def _check_budget_alone(arguments: argparse.Namespace) -> None:
    """Refuse options that cannot be used with --budget, because the pictures of a budget depend on each other.

    Raises:
        ConfigError: --budget comes with several --jobs, or with --skip-existing.
    """
    if arguments.budget is None:
        return
    if arguments.jobs > 1:
        raise ConfigError(
            "--jobs cannot be used with --budget, because each picture takes over unused bytes of earlier ones; drop it"
        )
    if arguments.skip_existing:
        raise ConfigError("--skip-existing cannot be used with --budget, which counts the bytes of all files; drop it")
    if arguments.metadata == "keep":
        raise ConfigError(
            "--metadata keep cannot be used with --budget, which shares out bytes of pixels alone; drop it"
        )


class _Report(Report):
    """A `Report` that also shows the mean bit rate of the pictures."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__(as_json=as_json)
        self._rates: list[float] = []

    def done(self, path: Path, done: Done) -> str:
        """Report a result; return the mean bit rate so far."""
        super().done(path, done)
        self._rates.append(done.facts["bpp"])
        return f"mean {sum(self._rates) / len(self._rates):.3f} bpp"


class _LookReport(Report):
    """Report of the first look at pictures for a budget: only failures are reported."""

    def done(self, path: Path, done: Done) -> str:
        """Report nothing."""
        return ""


@dataclass
class _Job(EncoderJob):
    """Settings of one call of the command, and the output path of each picture."""

    plan: dict[Path, Path] = field(default_factory=dict)
    shares: dict[Path, int] = field(default_factory=dict)
    left_over: int = 0

    @cached_property
    def point(self) -> "OperatingPoint":
        """The operating point requested for each picture."""
        return operating_point(self.arguments)

    @cached_property
    def wanted(self) -> Wanted:
        """The part of the request that a finished file can be checked against."""
        from hvqcgic.model_files import find_model, read_summary

        arguments = self.arguments
        summary = read_summary(find_model(arguments.model))
        ratios = self.point.shares
        if all(target is None for target in (ratios, arguments.bpp, arguments.max_bytes, arguments.target)):
            ratios = summary.outline.default_ratios
        bpp = None if arguments.clamp else arguments.bpp
        by_distortion = self.point.orders_by_distortion(has_proxy=summary.has_proxy)
        return Wanted(summary.fingerprint, arguments.coding, ratios, bpp, arguments.max_bytes, by_distortion)

    def compress_to_budget(self, inputs: "Inputs", report: Report) -> int:
        """Allocate the budget and compress the pictures one after the other; return the exit code."""
        from hvqcgic.rate_control import measure_curve, share_out

        arguments = self.arguments
        curves: dict[Path, Curve] = {}

        def look(path: Path) -> Done:
            curves[path] = measure_curve(
                self.codec, path, by=arguments.budget_by, point=self.point, coding=arguments.coding
            )
            return Done("")

        code = run_batch(inputs, look, label="look at", report=_LookReport(as_json=arguments.json))
        shares = share_out(list(curves.values()), total_bytes=arguments.budget, per_image_max=arguments.per_image_max)
        self.shares = dict(zip(curves, shares, strict=True))
        good = replace(inputs, paths=tuple(curves), problems=())
        return max(code, run_batch(good, self.compress, label="compress", report=report)) if good.paths else code

    def compress(self, path: Path) -> Done:
        """Compress one picture, or skip an existing result."""
        from hvqcgic.files import check_output, check_readable_picture, is_pipe

        arguments, output = self.arguments, self.plan[path]
        replaces = arguments.force or arguments.skip_existing
        check_output(path, output, force=replaces)
        if not is_pipe(path):
            check_readable_picture(path)  # before the imports that take longer
        from hvqcgic.pictures import allow_large_pictures, read_original

        allow_large_pictures()
        if arguments.skip_existing and (skipped := self._find_done(path, output)):
            return skipped
        point = self._point_of(path)
        with warnings.catch_warnings():
            if self.shares:
                warnings.simplefilter("ignore", UserWarning)  # the first look has shown the warnings of reading
            # The picture is read before the model is loaded, so that an unreadable picture is reported sooner.
            original = read_original(path, name_of(path), keep=arguments.metadata == "keep", remedy="--metadata keep")
        # With several pictures, the progress bar counts pictures, not steps.
        with step_bar("refine") if point.refine and len(self.plan) == 1 else nullcontext() as progress:
            found = self.codec.compress_at(
                original.pixels, point, coding=arguments.coding, metadata=original.metadata, progress=progress
            )
        write_result(output, found.written.data, force=replaces)
        if self.shares and point.max_bytes is not None:
            self.left_over = point.max_bytes - len(found.written.data)
        facts = self._facts(path, found)
        remarks = self._remarks(path, original.lost, found)
        return Done(f"{arrow(path, output)}: {_summary(facts)}", facts, remarks=remarks)

    def _remarks(self, path: Path, lost: str, found: "Compressed") -> tuple[str, ...]:
        """Lines about what a person may not expect of a result."""
        clamped, size = found.reached.clamped, len(found.written.data)
        texts = [f"{clamped}; took the nearest" if clamped else "", lost]
        source = path.stat().st_size if os.path.isfile(path) else size
        if size > source:
            texts.append(f"the result has {size} bytes, more than the picture's {source}; try a lower --bpp")
        return tuple(f"{name_of(path)}: {text}" for text in texts if text)

    def _find_done(self, path: Path, output: Path) -> Done | None:
        found = existing_stream(path, output, self.wanted, force=self.arguments.force)
        if found is None:
            return None
        facts = file_facts(path, output, width=found.header.width, height=found.header.height, n_bytes=found.n_bytes)
        return Done(f"{arrow(path, output)}: there already, {found.n_bytes} bytes; skipped", facts, skipped=True)

    def _facts(self, path: Path, found: "Compressed") -> dict[str, Any]:
        encoded, written, reached = found.reached.encoded, found.written, found.reached
        sizes = {"width": encoded.width, "height": encoded.height, "n_bytes": len(written.data)}
        return {
            **file_facts(path, self.plan[path], **sizes),
            "estimated_bits": float(written.estimated_bits),
            "parts": {part: float(bits) for part, bits in written.parts.items()},
            "place": reached.place,
            "eta": reached.eta,
            "refine": self.point.refine,
            "trials": reached.trials,
            "model": self.codec.name,
            "coding": self.arguments.coding,
            "asked": self.asked(),
        }

    @cached_property
    def _most(self) -> float:
        limit = self.arguments.per_image_max
        return float("inf") if limit is None else limit

    def _point_of(self, path: Path) -> "OperatingPoint":
        """Operating point of one picture; its share of a budget includes unused bytes of earlier pictures."""
        if path not in self.shares:
            return self.point
        return replace(self.point, max_bytes=int(min(self.shares[path] + self.left_over, self._most)))


def _summary(result: dict[str, Any]) -> str:
    parts = result["parts"]
    shares = {
        "indices": sum(parts[granularity] for granularity in ("coarse", "medium", "fine")),
        "side information": parts["z"],
        "map": parts["map"],
        "container": parts["container"],
    }
    total = sum(shares.values())
    text = ", ".join(f"{name} {100 * bits / total:.1f} %" for name, bits in shares.items())
    return f"{result['bytes']} bytes, {result['bpp']:.4f} bpp; {text}"
