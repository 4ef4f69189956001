"""One row of a run: code a picture with a codec at a point, measure it, and store the result for later runs."""

from __future__ import annotations

import json
import time
import warnings
from dataclasses import asdict, dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch

from hvqcgic.errors import OutputError
from hvqcgic.evaluation.codecs import PictureCodec
from hvqcgic.evaluation.metrics import METRICS, Metric, MetricOptions, NotMeasurable, Picture
from hvqcgic.evaluation.pictures import Source, read_png, write_png
from hvqcgic.evaluation.results import (
    FAILED,
    Row,
    bits_path,
    decoded_path,
    map_path,
    original_path,
    row_from_json,
    row_path,
    stream_path,
)
from hvqcgic.evaluation.spec import CodecSpec
from hvqcgic.files import one_line, write_atomically
from hvqcgic.schema import parse_json

_WARM_UP_PX = 64


@dataclass(frozen=True)
class Job:
    """A row to make.

    Attributes:
        folder: of the run.
        source: the picture.
        spec: the codec.
        point: one of the spec's points.
        fingerprint: of the codec at that point.
        metrics: names and versions of the metrics to measure.
        options: of the metrics; the codec uses the same device.
    """

    folder: Path
    source: Source
    spec: CodecSpec
    point: str
    fingerprint: str
    metrics: dict[str, str]
    options: MetricOptions

    @property
    def path(self) -> Path:
        """Path of the stored row."""
        return row_path(self.folder, self.spec.label, self.point, self.source.name)

    @property
    def decoded(self) -> Path:
        """Path of the decoded picture."""
        return decoded_path(self.folder, self.spec.label, self.point, self.source.name)


@dataclass(frozen=True)
class Kept:
    """A stored row.

    Attributes:
        row: the row.
        picture: SHA-256 of the picture's file.
        codec: fingerprint of the codec.
        versions: versions of the metrics by name, including metrics without a value.
        notes: reasons for metrics without a value, by name.
    """

    row: Row
    picture: str
    codec: str
    versions: dict[str, str]
    notes: dict[str, str]

    def is_complete(self, job: Job) -> bool:
        """Whether the row has everything that a job requests."""
        return all(self.versions.get(name) == version for name, version in job.metrics.items())


def read_kept(job: Job) -> Kept | None:
    """Read the stored row of a job, failed or not; None if it is missing or its inputs differ."""
    try:
        value: dict[str, Any] = parse_json(job.path.read_bytes(), str(job.path))
        kept = Kept(row_from_json(value.pop("row")), **value)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return kept if (kept.picture, kept.codec) == (job.source.sha256, job.fingerprint) else None


def find_kept(job: Job) -> Kept | None:
    """Find a row that need not be coded again; metrics may be missing, and failed rows are coded again."""
    kept = read_kept(job)
    return kept if kept is not None and kept.row.ok and job.decoded.is_file() else None


def run_job(job: Job) -> None:
    """Make and store a row; if the codec fails, the row gives the reason.

    Raises:
        OutputError: the run's folder cannot be written.
    """
    kept = find_kept(job)
    if kept is None:
        try:
            row = _code(job)
        except OutputError:
            raise
        except Exception as error:  # an external codec may raise any exception
            row = failed_row(job, error)
        kept = Kept(row, job.source.sha256, job.fingerprint, {}, {})
    if kept.row.ok:
        kept = _measure(job, kept)
    write_atomically(job.path, json.dumps(asdict(kept), allow_nan=False).encode(), force=True)


def failed_row(job: Job, error: object) -> Row:
    """Build the row of a picture that could not be coded."""
    text = one_line([error]) or type(error).__name__
    source = job.source
    return Row(source.name, source.width, source.height, job.spec.label, job.point, status=FAILED + text)


def _code(job: Job) -> Row:
    """Encode and decode; store the file, the decoded picture and the maps."""
    picture = read_png(original_path(job.folder, job.source.name))
    codec = _ready(job.spec, job.point, job.options.device)
    start = time.perf_counter()
    data = codec.encode(picture)
    encoded_at = time.perf_counter()
    decoded = codec.decode(data)
    decoded_at = time.perf_counter()
    if decoded.shape != picture.shape:
        raise RuntimeError(f"it decodes to {decoded.shape[1]} x {decoded.shape[0]} px")
    details = codec.details()
    height, width = picture.shape[:2]
    row = Row(
        *(job.source.name, width, height, job.spec.label, job.point),
        bytes=len(data),
        bpp=8 * len(data) / (width * height),
        encode_s=encoded_at - start,
        decode_s=decoded_at - encoded_at,
        parts=details.parts,
    )
    write_atomically(stream_path(job.folder, row, codec.suffix), data, force=True)
    for place, image in ((map_path, details.granularity_map), (bits_path, details.cell_bits)):
        if image is not None:
            write_png(place(job.folder, row.codec, row.point, row.picture), image)
    write_png(job.decoded, decoded)
    return row


def _measure(job: Job, kept: Kept) -> Kept:
    """Measure the missing metrics."""
    missing = [name for name, version in job.metrics.items() if kept.versions.get(name) != version]
    device = job.options.device
    original = _original(original_path(job.folder, job.source.name), job.source.sha256, device)
    decoded = Picture(read_png(job.decoded), device) if missing else original
    values, notes = dict(kept.row.metrics), dict(kept.notes)
    for name in missing:
        values.pop(name, None)
        notes.pop(name, None)
        try:
            values[name] = _metric(name, job.options).measure(original, decoded)
        except NotMeasurable as error:
            notes[name] = str(error)
    versions = kept.versions | {name: job.metrics[name] for name in missing}
    ordered = {name: values[name] for name in METRICS if name in values}
    return replace(kept, row=replace(kept.row, metrics=ordered), versions=versions, notes=notes)


@lru_cache(maxsize=64)
def _ready(spec: CodecSpec, point: str, device: str) -> PictureCodec:
    """Return a codec that has run once, so that loading does not count in the time of its first row."""
    codec = spec.open(point, device=device)
    picture = torch.zeros(_WARM_UP_PX, _WARM_UP_PX, 3, dtype=torch.uint8).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        codec.decode(codec.encode(picture))
    return codec


def forget_codecs() -> None:
    """Release the cached codecs, for programs that use many models."""
    _ready.cache_clear()


@lru_cache(maxsize=1)
def _original(path: Path, sha256: str, device: str) -> Picture:
    """Return an original with cached metric features; rows of one picture come one after the other."""
    return Picture(read_png(path), device, keeps=True)


@cache
def _metric(name: str, options: MetricOptions) -> Metric:
    return METRICS[name](options)
