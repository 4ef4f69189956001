"""What a run leaves in its folder: rows (points.csv, points.json), run.json, and where pictures and files lie.

- DIR/points.csv, DIR/points.json: a row for each picture, codec and point;
- DIR/run.json: configuration, versions, metrics of whole sets, notes on absent metrics;
- DIR/pictures/original/PICTURE.png, and DIR/pictures/CODEC/POINT/PICTURE.png, beside it PICTURE.map.png and
  PICTURE.bits.png of codecs that have them;
- DIR/files/CODEC/POINT/PICTURE.SUFFIX: the coded files themselves;
- DIR/rows/CODEC/POINT/PICTURE.json: each row as it came, for resuming.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hvqcgic.errors import ConfigError
from hvqcgic.files import reason, write_atomically

OK = "ok"
FAILED = "failed: "
_MEASURED = ("bytes", "bpp", "encode_s", "decode_s")
_LONGEST_SLUG = 80


@dataclass(frozen=True)
class Row:
    """One picture, coded by one codec at one operating point.

    Attributes:
        picture: its name, unique in the run.
        width: of the picture in pixels, as is the height.
        height: see width.
        codec: such as "hvqcgic:tiny" or "jpeg".
        point: such as "ratios=0.5,0.4,0.1" or "quality=30".
        bytes: size of the file; 0 in a row that failed, as are bpp and times.
        bpp: bits of the file per pixel of the picture.
        encode_s: seconds from array to bytes.
        decode_s: seconds from bytes to array.
        status: "ok", or "failed: reason".
        parts: bits of the file by part, where the codec can tell; they sum to the file's.
        metrics: values by name; what could not be measured is absent.
    """

    picture: str
    width: int
    height: int
    codec: str
    point: str
    bytes: int = 0
    bpp: float = 0.0
    encode_s: float = 0.0
    decode_s: float = 0.0
    status: str = OK
    parts: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the picture was coded and decoded."""
        return self.status == OK


@dataclass(frozen=True)
class SetMetrics:
    """Metrics of all pictures of one codec and point together: "fid", "kid", "inception_score", those there are."""

    codec: str
    point: str
    metrics: dict[str, float]


@dataclass(frozen=True)
class Run:
    """What run.json says.

    Attributes:
        specs: the codec specs as they were given, published curves included.
        pictures: path of each picture by its name in the rows.
        settings: other options by name.
        versions: of hvqcgic, Python, libraries and the coders in Pillow.
        metric_notes: for each metric that is absent, or absent for some pictures, one line why, by metric name.
        set_metrics: of each codec and point.
        published: paths of files with published curves.
    """

    specs: tuple[str, ...]
    pictures: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    metric_notes: dict[str, str] = field(default_factory=dict)
    set_metrics: tuple[SetMetrics, ...] = ()
    published: tuple[str, ...] = ()


def slug(name: str) -> str:
    """A name that is safe as a file's name and in an address; different names stay different.

    What is safe already stays as it is; anything else is replaced, shortened, and told apart by a part of its SHA-256.
    """
    safe = re.sub(r"[^A-Za-z0-9._=,+-]+", "-", name).strip("-.")
    if safe == name and len(name) <= _LONGEST_SLUG:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{safe[:_LONGEST_SLUG]}-{digest}".lstrip("-.")


def original_path(folder: Path, picture: str) -> Path:
    """The original, as PNG."""
    return folder / "pictures" / "original" / f"{slug(picture)}.png"


def decoded_path(folder: Path, codec: str, point: str, picture: str) -> Path:
    """The decoded picture, as PNG."""
    return _place(folder / "pictures", codec, point, picture, ".png")


def map_path(folder: Path, codec: str, point: str, picture: str) -> Path:
    """The granularity map in colours, as PNG of the picture's size; not there for codecs without one."""
    return _place(folder / "pictures", codec, point, picture, ".map.png")


def bits_path(folder: Path, codec: str, point: str, picture: str) -> Path:
    """The heat map of bits per cell, as PNG of the picture's size; not there for codecs that cannot tell."""
    return _place(folder / "pictures", codec, point, picture, ".bits.png")


def stream_path(folder: Path, row: Row, suffix: str) -> Path:
    """The coded file of a row."""
    return _place(folder / "files", row.codec, row.point, row.picture, suffix)


def row_path(folder: Path, codec: str, point: str, picture: str) -> Path:
    """The row as it came, with what it was made from."""
    return _place(folder / "rows", codec, point, picture, ".json")


def _place(root: Path, codec: str, point: str, picture: str, suffix: str) -> Path:
    return root / slug(codec) / slug(point) / (slug(picture) + suffix)


def write_rows(folder: Path, rows: Sequence[Row]) -> None:
    """Write points.csv and points.json.

    Raises:
        OutputError: they cannot be written.
    """
    write_atomically(folder / "points.csv", _csv(rows).encode(), force=True)
    value = {"rows": [_as_json(row) for row in rows]}
    write_atomically(folder / "points.json", _json(value), force=True)


def read_rows(folder: Path) -> list[Row]:
    """The rows of a run, in the order they were written.

    Raises:
        ConfigError: the folder has no readable points.json.
    """
    return [row_from_json(value) for value in _read(folder / "points.json")["rows"]]


def row_from_json(value: dict[str, Any]) -> Row:
    """A row from its JSON object; numbers of a failed row are null there."""
    measured: dict[str, Any] = {key: value[key] or 0 for key in _MEASURED}
    return Row(**value | measured)


def write_run(folder: Path, run: Run) -> None:
    """Write run.json.

    Raises:
        OutputError: it cannot be written.
    """
    write_atomically(folder / "run.json", _json(asdict(run)), force=True)


def read_run(folder: Path) -> Run:
    """What run.json says.

    Raises:
        ConfigError: the folder has no readable run.json.
    """
    value = _read(folder / "run.json")
    sets = tuple(SetMetrics(**item) for item in value.pop("set_metrics"))
    specs, published = (tuple(value.pop(key)) for key in ("specs", "published"))
    return Run(**value, specs=specs, published=published, set_metrics=sets)


def by_point(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows of one codec and point together, in the order of their first appearance."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.codec, row.point), []).append(row)
    return groups


def metric_names(rows: Iterable[Row]) -> list[str]:
    """Names of all metrics that some row has, in the order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row.metrics))


def _csv(rows: Sequence[Row]) -> str:
    """One line a row; parts as bits_NAME; empty cells where there is no value."""
    parts = list(dict.fromkeys(name for row in rows for name in row.parts))
    metrics = metric_names(rows)
    fixed = ["picture", "width", "height", "codec", "point", *_MEASURED, "status"]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*fixed, *(f"bits_{name}" for name in parts), *metrics])
    for row in rows:
        values = _as_json(row)
        cells = [values[name] for name in fixed]
        cells += [row.parts.get(name) for name in parts]
        cells += [row.metrics.get(name) for name in metrics]
        writer.writerow(["" if cell is None else cell for cell in cells])
    return buffer.getvalue()


def _as_json(row: Row) -> dict[str, Any]:
    value = asdict(row)
    return value if row.ok else value | dict.fromkeys(_MEASURED)


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: no results of a run there ({reason(error)}); give the folder that was --out of hvqcgic.evaluate"
        ) from error
