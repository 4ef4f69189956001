"""Stored results of each shard: DIR/parts/SHARD.json with its rows, written last, and DIR/streams/SHARD.tar."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hvqcgic.evaluation import Row, row_from_json
from hvqcgic.files import write_atomically
from hvqcgic.pictures import is_address
from hvqcgic.schema import parse_json


@dataclass(frozen=True)
class Part:
    """The rows of a shard.

    Attributes:
        shard: name of the shard.
        place: path, address or command of the shard.
        stamp: size and time of its file, to detect changes; "" for a remote shard.
        rows: of its pictures.
        notes: reasons for missing metrics, by name.
    """

    shard: str
    place: str
    stamp: str
    rows: tuple[Row, ...]
    notes: dict[str, str]


def stamp_of(place: str) -> str:
    """Size and time of a shard's file; "" for a remote or missing shard."""
    try:
        found = None if is_address(place) else Path(place).stat()
    except OSError:
        found = None
    return f"{found.st_size} bytes at {found.st_mtime_ns}" if found else ""


def streams_path(folder: Path, shard: str) -> Path:
    """Path of the coded pictures of a shard."""
    return folder / "streams" / f"{shard}.tar"


def write_part(folder: Path, part: Part) -> None:
    """Store the rows of a shard.

    Raises:
        OutputError: they cannot be written.
    """
    write_atomically(_path(folder, part.shard), json.dumps(asdict(part), allow_nan=False).encode(), force=True)


def read_part(folder: Path, shard: str, place: str) -> Part | None:
    """Read the rows of a shard; None if the shard is unfinished or has changed."""
    try:
        value: dict[str, Any] = parse_json(_path(folder, shard).read_bytes(), shard)
        rows = tuple(row_from_json(row) for row in value.pop("rows"))
        part = Part(**value, rows=rows)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return part if (part.place, part.stamp) == (place, stamp_of(place)) else None


def _path(folder: Path, shard: str) -> Path:
    return folder / "parts" / f"{shard}.json"
