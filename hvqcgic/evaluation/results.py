"""Files in the folder of a run: rows (points.csv, points.json), run.json, pictures and coded files.

- DIR/points.csv, DIR/points.json: a row for each picture, codec and point;
- DIR/run.json: configuration, versions, metrics of whole sets, notes on missing metrics;
- DIR/pictures/original/PICTURE.png, and DIR/pictures/CODEC/POINT/PICTURE.png, with PICTURE.map.png and
  PICTURE.bits.png for codecs that have them;
- DIR/files/CODEC/POINT/PICTURE.SUFFIX: the coded files;
- DIR/rows/CODEC/POINT/PICTURE.json: each row when it was made, for resuming.
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
from hvqcgic.schema import parse_json

OK = "ok"
FAILED = "failed: "
_MEASURED = ("bytes", "bpp", "encode_s", "decode_s")
_LONGEST_SLUG = 80


@dataclass(frozen=True)
class Row:
    """Result of one picture, codec and operating point.

    Attributes:
        picture: name, unique in the run.
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        codec: such as "hvqcgic:tiny" or "jpeg".
        point: such as "ratios=0.5,0.4,0.1" or "quality=30".
        bytes: size of the file; 0 in a failed row, as are bpp and times.
        bpp: bits of the file per pixel of the picture.
        encode_s: seconds from array to bytes.
        decode_s: seconds from bytes to array.
        status: "ok", or "failed: reason".
        parts: bits of the file by part, if the codec reports them; they sum to the bits of the file.
        metrics: values by name; metrics without a value are missing.
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
    """Metrics over all pictures of one codec and point: those available of "fid", "kid" and "inception_score"."""

    codec: str
    point: str
    metrics: dict[str, float]


@dataclass(frozen=True)
class Run:
    """Content of run.json.

    Attributes:
        specs: the codec specifications as given, including published curves.
        pictures: path of each picture by its name in the rows.
        settings: other options by name.
        versions: of hvqcgic, Python, libraries and the coders in Pillow.
        metric_notes: one line for each metric without a value, or without a value for some pictures, by metric name.
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
    """Convert a name into one that is safe in file names and addresses; different names stay different.

    Safe names are unchanged. In other names, unsafe characters are replaced, the name is shortened, and a part of its
    SHA-256 is appended.
    """
    safe = re.sub(r"[^A-Za-z0-9._=,+-]+", "-", name).strip("-.")
    if safe == name and len(name) <= _LONGEST_SLUG:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{safe[:_LONGEST_SLUG]}-{digest}".lstrip("-.")


def original_path(folder: Path, picture: str) -> Path:
    """Path of the original as PNG."""
    return folder / "pictures" / "original" / f"{slug(picture)}.png"


def decoded_path(folder: Path, codec: str, point: str, picture: str) -> Path:
    """Path of the decoded picture as PNG."""
    return _place(folder / "pictures", codec, point, picture, ".png")


def map_path(folder: Path, codec: str, point: str, picture: str) -> Path:
    """Path of the granularity map in colours, a PNG of the picture's size; missing for codecs without a map."""
    return _place(folder / "pictures", codec, point, picture, ".map.png")


def bits_path(folder: Path, codec: str, point: str, picture: str) -> Path:
    """Path of the heat map of bits per cell, a PNG of the picture's size; missing for codecs without one."""
    return _place(folder / "pictures", codec, point, picture, ".bits.png")


def stream_path(folder: Path, row: Row, suffix: str) -> Path:
    """Path of the coded file of a row."""
    return _place(folder / "files", row.codec, row.point, row.picture, suffix)


def row_path(folder: Path, codec: str, point: str, picture: str) -> Path:
    """Path of the row when it was made, with the inputs that it depends on."""
    return _place(folder / "rows", codec, point, picture, ".json")


def _place(root: Path, codec: str, point: str, picture: str, suffix: str) -> Path:
    return root / slug(codec) / slug(point) / (slug(picture) + suffix)


def write_rows(folder: Path, rows: Sequence[Row]) -> None:
    """Write points.csv and points.json.

    Raises:
        OutputError: they cannot be written.
    """
    write_atomically(folder / "points.csv", _csv(rows).encode("utf-8", "surrogateescape"), force=True)
    value = {"rows": [_as_json(row) for row in rows]}
    write_atomically(folder / "points.json", _json(value), force=True)


def read_rows(folder: Path) -> list[Row]:
    """Read the rows of a run, in the order they were written.

    Raises:
        ConfigError: the folder has no readable points.json.
    """
    return [row_from_json(value) for value in _read(folder / "points.json")["rows"]]


def row_from_json(value: dict[str, Any]) -> Row:
    """Build a row from its JSON object; in a failed row the numbers are null."""
    measured: dict[str, Any] = {key: value[key] or 0 for key in _MEASURED}
    return Row(**value | measured)


def write_run(folder: Path, run: Run) -> None:
    """Write run.json.

    Raises:
        OutputError: it cannot be written.
    """
    write_atomically(folder / "run.json", _json(asdict(run)), force=True)


def read_run(folder: Path) -> Run:
    """Read run.json.

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
    """Names of all metrics that any row has, in the order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row.metrics))


def _csv(rows: Sequence[Row]) -> str:
    """Format one line per row; parts become bits_NAME; a missing value is an empty cell."""
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
        return parse_json(path.read_bytes(), "the file")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: no results of a run there ({reason(error)}); give the folder that was --out of hvqcgic.evaluate"
        ) from error
