"""One row: code a picture with a codec at a point, measure what comes back, and keep all of it for the next run."""

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

_WARM_UP_PX = 64


@dataclass(frozen=True)
class Job:
    """A row to be made.

    Attributes:
        folder: of the run.
        source: the picture.
        spec: the codec.
        point: one of the spec's.
        fingerprint: of the codec at that point.
        metrics: names and versions of those to be measured.
        options: of the metrics; its device is the codec's too.
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
        """Where the row is kept."""
        return row_path(self.folder, self.spec.label, self.point, self.source.name)

    @property
    def decoded(self) -> Path:
        """Where the decoded picture is kept."""
        return decoded_path(self.folder, self.spec.label, self.point, self.source.name)


@dataclass(frozen=True)
class Kept:
    """A row as it is kept for the next run.

    Attributes:
        row: itself.
        picture: SHA-256 of the picture's file.
        codec: fingerprint of the codec.
        versions: of the metrics, by name, of those without a value too.
        notes: why a metric has no value, by name.
    """

    row: Row
    picture: str
    codec: str
    versions: dict[str, str]
    notes: dict[str, str]

    def is_complete(self, job: Job) -> bool:
        """Whether all that a job asks for is there."""
        return all(self.versions.get(name) == version for name, version in job.metrics.items())


def read_kept(job: Job) -> Kept | None:
    """The row that is kept for a job, failed or not; None where there is none, or one of other bytes."""
    try:
        value: dict[str, Any] = json.loads(job.path.read_text(encoding="utf-8"))
        kept = Kept(row_from_json(value.pop("row")), **value)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return kept if (kept.picture, kept.codec) == (job.source.sha256, job.fingerprint) else None


def find_kept(job: Job) -> Kept | None:
    """What need not be coded again, though metrics may be missing; what failed is tried again."""
    kept = read_kept(job)
    return kept if kept is not None and kept.row.ok and job.decoded.is_file() else None


def run_job(job: Job) -> None:
    """Make a row and keep it: one that says why, where the codec fails.

    Raises:
        OutputError: the run's folder cannot be written to.
    """
    kept = find_kept(job)
    if kept is None:
        try:
            row = _code(job)
        except OutputError:
            raise
        except Exception as error:  # a codec of another project may raise anything
            row = failed_row(job, error)
        kept = Kept(row, job.source.sha256, job.fingerprint, {}, {})
    if kept.row.ok:
        kept = _measure(job, kept)
    write_atomically(job.path, json.dumps(asdict(kept), allow_nan=False).encode(), force=True)


def failed_row(job: Job, error: object) -> Row:
    """The row of a picture that could not be coded."""
    text = one_line([error]) or type(error).__name__
    source = job.source
    return Row(source.name, source.width, source.height, job.spec.label, job.point, status=FAILED + text)


def _code(job: Job) -> Row:
    """Code and decode; keep file, decoded picture and maps."""
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
    """Measure what is not there yet."""
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
    """A codec that has run once, so that the time of its first run is not that of loading."""
    codec = spec.open(point, device=device)
    picture = torch.zeros(_WARM_UP_PX, _WARM_UP_PX, 3, dtype=torch.uint8).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        codec.decode(codec.encode(picture))
    return codec


def forget_codecs() -> None:
    """Let go of the codecs that rows were made with, each of which is kept: for programs that use many models."""
    _ready.cache_clear()


@lru_cache(maxsize=1)
def _original(path: Path, sha256: str, device: str) -> Picture:
    """An original with what the metrics keep of it: rows of one picture come one after the other."""
    return Picture(read_png(path), device, keeps=True)


@cache
def _metric(name: str, options: MetricOptions) -> Metric:
    return METRICS[name](options)
