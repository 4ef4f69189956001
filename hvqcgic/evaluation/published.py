"""Published curves from files: this project's schema of published numbers, and CompressAI's results.

The schema is {"name", "source", "dataset", "metric_notes", "read_from", "points": [{"bpp", "psnr", "lpips", ...}]}. A
metric gets the name that it has in a run (`psnr_db`, `lpips_vgg`, ...). The notes name the network of LPIPS. If they
name none, the metric stays `lpips`, which no run has, so that values of different networks are never compared.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hvqcgic.errors import ConfigError
from hvqcgic.files import reason
from hvqcgic.schema import parse_json

RENAMED = {"psnr": "psnr_db", "psnr-rgb": "psnr_db", "ms-ssim-rgb": "ms_ssim", "ms-ssim-db-rgb": "ms_ssim_db"}
TIMES = {"encoding_time": "encode_s", "decoding_time": "decode_s"}
_NETWORK = "(alex|vgg|squeeze)"


@dataclass(frozen=True)
class PublishedPoint:
    """One published point, a mean over the data set.

    Attributes:
        label: name of the point within its curve: its setting if there is one, else its bpp.
        bpp: bits per pixel.
        metrics: values by this project's metric names.
        encode_s: seconds to encode, or None.
        decode_s: seconds to decode, or None.
    """

    label: str
    bpp: float
    metrics: Mapping[str, float]
    encode_s: float | None = None
    decode_s: float | None = None


@dataclass(frozen=True)
class PublishedCurve:
    """A curve from a file.

    Attributes:
        name: of the codec.
        source: publication of the numbers.
        dataset: name of the measured data set.
        notes: on the metrics.
        read_from: file, table, text or figure.
        points: by rising bpp, at least one.
    """

    name: str
    source: str
    dataset: str
    notes: str
    read_from: str
    points: tuple[PublishedPoint, ...]

    def of(self, metric: str) -> tuple[list[float], list[float]]:
        """Return the rates in bpp and the values of every point that has a metric."""
        having = [point for point in self.points if metric in point.metrics]
        return [point.bpp for point in having], [point.metrics[metric] for point in having]


def read_published(path: str | Path) -> PublishedCurve:
    """Read a curve from a file of either form.

    Raises:
        ConfigError: the file cannot be read, has neither form, or has no point with a bpp.
    """
    found = read_json(path)
    if isinstance(found, dict) and isinstance(found.get("results"), dict):
        entries, notes = _transposed(path, found["results"]), "metrics as CompressAI measures them"
        origin = {"source": "CompressAI", "dataset": "kodak", "read_from": "file"} | _texts(found)
    elif isinstance(found, dict) and isinstance(found.get("points"), list):
        entries, notes, origin = found["points"], str(found.get("metric_notes", "")), _texts(found)
    else:
        raise ConfigError(f"{path}: neither a list of points nor CompressAI's results; see the schema in the README")
    network = _network(notes)
    points = sorted((_point(path, entry, network) for entry in entries), key=lambda point: point.bpp)
    if not points:
        raise ConfigError(f"{path}: has no points; its numbers are not those of a curve")
    name = origin.get("name") or Path(path).stem
    return PublishedCurve(
        name, origin.get("source", ""), origin.get("dataset", ""), notes, origin.get("read_from", ""), tuple(points)
    )


def read_json(path: str | Path) -> Any:
    """Parse a JSON file.

    Raises:
        ConfigError: the file cannot be read, or is not JSON.
    """
    try:
        return parse_json(Path(path).read_bytes(), f"{path}:")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {reason(error)}") from error


def _texts(found: dict[str, Any]) -> dict[str, str]:
    return {key: str(found[key]) for key in ("name", "source", "dataset", "read_from") if key in found}


def _transposed(path: str | Path, results: dict[str, Any]) -> list[dict[str, Any]]:
    """Convert CompressAI's list for each metric into a dictionary for each point."""
    lengths = {key: len(values) if isinstance(values, list) else -1 for key, values in results.items()}
    if len(set(lengths.values())) != 1 or -1 in lengths.values():
        raise ConfigError(f"{path}: lists of different lengths: {lengths}; every metric needs a value at each point")
    return [dict(zip(results, values, strict=True)) for values in zip(*results.values(), strict=True)]


def _network(notes: str) -> str | None:
    """Return the LPIPS network that the notes name; None if the notes say that it is unknown."""
    known = re.search(rf"treat as {_NETWORK}|agree(?:s)? with {_NETWORK}", notes, re.IGNORECASE)
    if known is None and "net not stated" in notes:
        return None
    named = known or re.search(rf"\b{_NETWORK}", notes, re.IGNORECASE)
    return next(group.lower() for group in named.groups() if group) if named else None


def _point(path: str | Path, entry: Any, network: str | None) -> PublishedPoint:
    if not isinstance(entry, dict) or not _is_number(entry.get("bpp")) or entry["bpp"] <= 0:
        raise ConfigError(f"{path}: the point {str(entry)[:80]} has no bpp above 0")
    renamed = RENAMED | ({"lpips": f"lpips_{network}"} if network else {})
    left_out = {"bpp", "quality", *TIMES}
    metrics = {
        str(renamed.get(key, key)): float(value)
        for key, value in entry.items()
        if key not in left_out and _is_number(value) and math.isfinite(value)
    }
    times = {ours: float(entry[theirs]) for theirs, ours in TIMES.items() if _is_number(entry.get(theirs))}
    label = str(entry.get("setting", "")) or f"bpp={entry['bpp']:.4g}"
    return PublishedPoint(label, float(entry["bpp"]), metrics, **times)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
