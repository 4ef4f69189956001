"""Work of a worker on one shard, in memory except for the evaluator's files in a temporary folder."""

from __future__ import annotations

import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path, PurePosixPath

from hvqcgic.errors import OutputError
from hvqcgic.evaluation import (
    Job,
    MetricOptions,
    Outcome,
    PictureCodec,
    Row,
    Source,
    collect,
    failed_row,
    make_plan,
    prepare,
    run_jobs,
)
from hvqcgic.files import write_atomically
from hvqcgic.parallel import one_thread
from hvqcgic.pictures import Member, allow_large_pictures, decode, pack_tar, read_members
from hvqcgic.scale.parts import Part, read_part, stamp_of, streams_path, write_part
from hvqcgic.scale.request import Work

_MEASURED_AT_ONCE = 64
"""Number of pictures whose originals and decoded versions are in a worker's temporary folder at a time."""

_alone = threading.Lock()


def do_shard(work: Work, shard: str, place: str) -> int:
    """Code the pictures of a shard and store the results, unless they exist; return the number of rows.

    Args:
        work: the work to do.
        shard: name of the shard.
        place: path, address or command of the shard.
    Raises:
        ConfigError: the shard is missing or broken, or the codec cannot be used on this machine.
        ModelError: this machine has no such model.
        OutputError: the folder cannot be written.
    """
    # Codecs are loaded once per process and are not thread-safe.
    with _alone, warnings.catch_warnings(), one_thread():
        # Warnings of picture reading do not help in a run of a million pictures.
        warnings.simplefilter("ignore")
        if (there := read_part(work.folder, shard, place)) is not None:
            return len(there.rows)
        allow_large_pictures()
        stamp = stamp_of(place)
        if work.compresses:
            rows, notes = _compress(work, shard, place), {}
        else:
            rows, notes = _evaluate(work, place)
        write_part(work.folder, Part(shard, place, stamp, tuple(rows), notes))
        return len(rows)


def _compress(work: Work, shard: str, place: str) -> list[Row]:
    """Code the pictures of a shard into a tar file."""
    (spec,) = work.specs
    (point,) = spec.points
    codec = spec.open(point, device=work.device)
    job = Job(work.folder, Source("", place, "", 0, 0), spec, point, codec.fingerprint, {}, MetricOptions(work.device))
    rows: list[Row] = []
    streams: dict[str, bytes] = {}
    for member in read_members(place):
        job = replace(job, source=replace(job.source, name=member.name, width=0, height=0))
        row, data = _code(job, codec, member)
        rows.append(row)
        if row.ok:
            streams[_stream_name(member.name, codec.suffix, streams)] = data
    write_atomically(
        streams_path(work.folder, shard), pack_tar(Member(*stream) for stream in streams.items()), force=True
    )
    return rows


def _code(job: Job, codec: PictureCodec, member: Member) -> tuple[Row, bytes]:
    """Code a picture; return its row, which gives the reason of a failure, and the coded bytes."""
    try:
        picture = decode(member.data)
        height, width = picture.shape[:2]
        job = replace(job, source=replace(job.source, width=width, height=height))
        start = time.perf_counter()
        data = codec.encode(picture)
        seconds = time.perf_counter() - start
    except Exception as error:  # an external codec may raise any exception
        return failed_row(job, error), b""
    sizes = {"bytes": len(data), "bpp": 8 * len(data) / (width * height)}
    return Row(member.name, width, height, job.spec.label, job.point, encode_s=seconds, **sizes), data


def _stream_name(name: str, suffix: str, taken: dict[str, bytes]) -> str:
    """Return `any/cat.hvq` for `any/cat.png`; or `any/cat.png.hvq` if `any/cat.jpg` has taken `any/cat.hvq`."""
    short = str(PurePosixPath(name).with_suffix(suffix))
    return short if short not in taken else name + suffix


def _evaluate(work: Work, place: str) -> tuple[list[Row], dict[str, str]]:
    """Return the evaluator's rows for the pictures of a shard, and the reasons for missing metrics."""
    rows: list[Row] = []
    notes: dict[str, str] = {}
    for members in _in_groups(read_members(place)):
        with tempfile.TemporaryDirectory(prefix="hvqcgic-") as folder:
            outcome = _measure(work, members, Path(folder))
        rows += outcome.rows
        notes |= outcome.metric_notes
    return rows, notes


def _measure(work: Work, members: list[Member], folder: Path) -> Outcome:
    sources = [_prepare(folder, number, member) for number, member in enumerate(members)]
    plan = make_plan(folder, sources, work.specs, work.metrics, MetricOptions(work.device))
    run_jobs(plan.jobs, 1, done=lambda label: None)
    return collect(plan)


def _prepare(folder: Path, number: int, member: Member) -> Source:
    """Prepare a picture for the evaluator; error messages do not contain the temporary path."""
    path = folder / "in" / f"{number}{PurePosixPath(member.name).suffix}"
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(member.data)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}; set TMPDIR to a disk with space") from error
    source = prepare(folder, member.name, path)
    return replace(source, problem=source.problem.removeprefix(f"{path}: "))


def _in_groups(members: Iterator[Member]) -> Iterator[list[Member]]:
    while group := list(islice(members, _MEASURED_AT_ONCE)):
        yield group
