"""What is kept of each shard: DIR/parts/SHARD.json with its rows, written last, and DIR/streams/SHARD.tar."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hvqcgic.evaluation import Row, row_from_json
from hvqcgic.files import write_atomically
from hvqcgic.pictures import is_address


@dataclass(frozen=True)
class Part:
    """The rows of a shard.

    Attributes:
        shard: its name.
        place: where it was read.
        stamp: size and time of its file, by which a changed one is known; "" of one that is far.
        rows: of its pictures.
        notes: why a metric is absent, by name.
    """

    shard: str
    place: str
    stamp: str
    rows: tuple[Row, ...]
    notes: dict[str, str]


def stamp_of(place: str) -> str:
    """Size and time of a shard's file; "" of one that is far, or not there."""
    try:
        found = None if is_address(place) else Path(place).stat()
    except OSError:
        found = None
    return f"{found.st_size} bytes at {found.st_mtime_ns}" if found else ""


def streams_path(folder: Path, shard: str) -> Path:
    """The coded pictures of a shard."""
    return folder / "streams" / f"{shard}.tar"


def write_part(folder: Path, part: Part) -> None:
    """Keep the rows of a shard.

    Raises:
        OutputError: they cannot be written.
    """
    write_atomically(_path(folder, part.shard), json.dumps(asdict(part), allow_nan=False).encode(), force=True)


def read_part(folder: Path, shard: str, place: str) -> Part | None:
    """The rows of a shard; None where it is not done, or has changed since."""
    try:
        value: dict[str, Any] = json.loads(_path(folder, shard).read_text(encoding="utf-8"))
        rows = tuple(row_from_json(row) for row in value.pop("rows"))
        part = Part(**value, rows=rows)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return part if (part.place, part.stamp) == (place, stamp_of(place)) else None


def _path(folder: Path, shard: str) -> Path:
    return folder / "parts" / f"{shard}.json"
