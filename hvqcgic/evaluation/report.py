"""The report of a run as one HTML file: curves, BD-rates, and a viewer of the pictures.

Script, style and numbers are part of the file, and its security policy forbids network access. The pictures are files
in DIR/pictures. On request they are embedded as data URIs; a Kodak run has hundreds of megabytes of pictures.
"""

from __future__ import annotations

import base64
import html
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

import numpy as np

from hvqcgic.errors import ConfigError
from hvqcgic.evaluation.bd_table import BdRates, bd_rates
from hvqcgic.evaluation.curves import Curve, read_curves
from hvqcgic.evaluation.rate_distortion import lower_is_better
from hvqcgic.evaluation.results import Row, Run, bits_path, decoded_path, map_path, original_path, read_rows, read_run
from hvqcgic.files import write_atomically
from hvqcgic.pages import COLOURS, SCRIPTS, STYLE_SHEET, asset, in_order, metric_label

Embed = Literal["all"] | Sequence[str]
"""Pictures to embed in the report: all, or the named ones."""

EMBED_ALL: Final = "all"

ROOM = "evaluation"
OWN_SCRIPTS = ("format.js", "charts.js", "tables.js", "viewer.js", "main.js")


def write_report(folder: Path, *, rates: BdRates | None = None, embed: Embed = ()) -> Path:
    """Write DIR/report.html from the results in DIR.

    Args:
        folder: DIR, with points.json, run.json and pictures.
        rates: BD-rates of this run; None to compute them here, with a bootstrap of seed 0.
        embed: "all", or names of pictures to embed; other pictures stay separate files.
    Returns:
        the written file.
    Raises:
        ConfigError: there are no results in the folder, no curve, or no such picture.
        OutputError: the file cannot be written.
    """
    run, rows, curves = read_run(folder), read_rows(folder), read_curves(folder)
    rates = rates or bd_rates(curves, generator=np.random.default_rng(0))
    pictures = _pictures(folder, run, rows, _placed(folder, embed, set(run.pictures)))
    data = {
        "title": folder.resolve().name,
        "metrics": [
            {"name": m, "label": metric_label(m), "lower": lower_is_better(m)} for m in in_order(curves.metrics)
        ],
        "colours": COLOURS,
        "curves": [_curve(curve) for curve in curves.curves],
        "drawn_bpp": curves.drawn_bpp,
        "averaged": list(curves.pictures),
        "counts": curves.counts,
        "notes": list(curves.notes),
        "bd": {"anchor": rates.anchor, "draws": rates.draws, "entries": [entry.to_dict() for entry in rates.entries]},
        "rows": [_row(row) for row in rows],
        "run": {"specs": run.specs, "settings": run.settings, "versions": run.versions, "missing": run.metric_notes},
        "embedded": embed if embed == EMBED_ALL else list(embed),
        **pictures,
    }
    path = folder / "report.html"
    write_atomically(path, _page(data).encode("utf-8", "backslashreplace"), force=True)
    return path


def _curve(curve: Curve) -> dict[str, Any]:
    published = curve.published
    return {
        "codec": curve.codec,
        "points": list(curve.points),
        "bpp": [_number(value) for value in curve.bpp],
        "metrics": {name: [_number(value) for value in values] for name, values in curve.metrics.items()},
        "rates": {name: [_number(value) for value in curve.rates(name)] for name in curve.metrics},
        "published": None
        if published is None
        else {key: getattr(published, key) for key in ("source", "dataset", "notes", "read_from")},
    }


def _row(row: Row) -> dict[str, Any]:
    metrics = {name: _number(value) for name, value in row.metrics.items()}
    return asdict(row) | {"metrics": metrics}


def _number(value: float) -> float | None:
    """Round a number to the digits that the report needs; None for a number that JSON cannot hold."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _placed(folder: Path, embed: Embed, names: set[str]) -> Callable[[str, Path], str | None]:
    """Return a function from a picture name and file to a relative address, a data URI, or None if missing."""
    chosen = names if embed == EMBED_ALL else set(embed)
    if unknown := sorted(chosen - names):
        raise ConfigError(f"embed: there is no picture {unknown[0]!r} in this run; use {', '.join(sorted(names))}")

    def place(name: str, path: Path) -> str | None:
        if not path.is_file():
            return None
        if name in chosen:
            return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
        return quote(path.relative_to(folder).as_posix())

    return place


def _pictures(folder: Path, run: Run, rows: Sequence[Row], place: Callable[[str, Path], str | None]) -> dict[str, Any]:
    """Collect the originals and, for each row, decoded picture, granularity map and bits per cell."""
    sizes = {row.picture: (row.width, row.height) for row in rows}
    originals = [
        {"name": name, "path": run.pictures.get(name, ""), "width": width, "height": height}
        | {"image": place(name, original_path(folder, name))}
        for name, (width, height) in sizes.items()
    ]
    images = [
        [place(row.picture, path(folder, row.codec, row.point, row.picture)) if row.ok else None for path in _PATHS]
        for row in rows
    ]
    return {"pictures": originals, "images": images}


_PATHS = (decoded_path, map_path, bits_path)


def _page(data: dict[str, Any]) -> str:
    """Insert style, data and scripts into the template."""
    # "</script>" in a name must not end the element that holds the data.
    numbers = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    parts = {
        "TITLE": html.escape(data["title"]),
        "STYLE": asset(STYLE_SHEET) + asset("report.css", ROOM),
        "DATA": numbers,
        "SCRIPT": "\n".join([*map(asset, SCRIPTS), *(asset(name, ROOM) for name in OWN_SCRIPTS)]),
    }
    before, *rest = asset("report.html", ROOM).split("{{")
    return before + "".join(parts[piece.partition("}}")[0]] + piece.partition("}}")[2] for piece in rest)
