"""Summary of a run for the terminal and for programs: means over pictures of each codec and point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table

from hvqcgic.evaluation.results import Row, Run, SetMetrics, by_point, metric_names

_DIGITS = {"psnr_db": 2, "niqe": 2, "fid": 2, "inception_score": 2}


@dataclass(frozen=True)
class Share:
    """The part of the pictures that a mean is over.

    Attributes:
        pictures: their number.
        bpp: mean of their bits per pixel.
    """

    pictures: int
    bpp: float


@dataclass(frozen=True)
class PointMean:
    """Means over the pictures of one codec and point.

    Attributes:
        codec: as in the rows.
        point: as in the rows.
        pictures: number of coded pictures.
        failed: number of failed pictures.
        bpp: mean of the pictures' bits per pixel.
        encode_s: mean seconds to encode.
        decode_s: mean seconds to decode.
        metrics: means over the pictures that have the metric, and metrics of the whole set.
        partial: the pictures of each metric that only some have.
    """

    codec: str
    point: str
    pictures: int
    failed: int
    bpp: float
    encode_s: float
    decode_s: float
    metrics: dict[str, float]
    partial: dict[str, Share] = field(default_factory=dict)


def means(rows: Sequence[Row], sets: Sequence[SetMetrics] = ()) -> list[PointMean]:
    """Compute the means of each codec and point."""
    of_sets = {(entry.codec, entry.point): entry.metrics for entry in sets}
    return [_mean(group, of_sets.get(key, {})) for key, group in by_point(rows).items()]


def summary_table(found: Sequence[PointMean]) -> Table:
    """Format the means as a table."""
    names = list(dict.fromkeys(name for point in found for name in point.metrics))
    counts = {point.pictures for point in found}
    most = max(counts, default=0)
    table = Table(title=f"means of {most} picture{'s' if most != 1 else ''}", title_justify="left")
    table.add_column("codec", overflow="fold")
    table.add_column("point", overflow="fold")
    for heading in ("bpp", *names, "enc s", "dec s"):
        table.add_column(heading.replace("_", " "), justify="right")
    if len(counts) > 1:
        table.add_column("pictures", justify="right")
    previous = ""
    for point in found:
        if previous not in ("", point.codec):
            table.add_section()
        cells = _cells(point, names, codec="" if point.codec == previous else point.codec)
        table.add_row(*cells, *([str(point.pictures)] if len(counts) > 1 else []))
        previous = point.codec
    return table


def as_json(found: Sequence[PointMean], run: Run, missing: int) -> dict[str, Any]:
    """Return the summary as JSON values; `missing` is the number of rows that an interrupted run did not make."""
    return {
        "points": [asdict(point) for point in found],
        "metric_notes": run.metric_notes,
        "pictures": len(run.pictures),
        "rows_missing": missing,
    }


def _mean(group: Sequence[Row], of_set: dict[str, float]) -> PointMean:
    coded = [row for row in group if row.ok]
    count = max(len(coded), 1)
    metrics: dict[str, float] = {}
    partial: dict[str, Share] = {}
    for name in metric_names(coded):
        having = [row for row in coded if name in row.metrics]
        metrics[name] = sum(row.metrics[name] for row in having) / len(having)
        if len(having) < len(coded):
            partial[name] = Share(len(having), sum(row.bpp for row in having) / len(having))
    return PointMean(
        *(group[0].codec, group[0].point, len(coded), len(group) - len(coded)),
        bpp=sum(row.bpp for row in coded) / count,
        encode_s=sum(row.encode_s for row in coded) / count,
        decode_s=sum(row.decode_s for row in coded) / count,
        metrics=metrics | of_set,
        partial=partial,
    )


def _cells(point: PointMean, names: Sequence[str], *, codec: str) -> list[str]:
    values = [f"{point.bpp:.4f}"] if point.pictures else ["–"]
    for name in names:
        value = point.metrics.get(name)
        text = "–" if value is None else f"{value:.{_DIGITS.get(name, 4)}f}"
        if name in point.partial:
            text += f"\n{point.partial[name].pictures} at {point.partial[name].bpp:.4f} bpp"
        values.append(text)
    values += [f"{point.encode_s:.2f}", f"{point.decode_s:.2f}"]
    return [codec, point.point, *values]
