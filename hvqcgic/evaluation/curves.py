"""Mean rate-distortion curves of the rows of a run and of published files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hvqcgic.evaluation.published import PublishedCurve, read_published
from hvqcgic.evaluation.rate_distortion import Array
from hvqcgic.evaluation.results import Row, Run, SetMetrics, by_point, metric_names, read_rows, read_run

LEAST_SHARE = 0.5
"""Least share of the largest point's pictures for a point to be used. Points of an interrupted run may have fewer."""


@dataclass(frozen=True)
class Curve:
    """Mean over pictures of a codec at each of its operating points.

    Attributes:
        codec: name of the codec.
        points: labels, by rising bpp.
        bpp: mean at each point, (points,).
        metrics: mean at each point by metric name, (points,), over the pictures that have it; NaN for a missing value.
        by_picture: values of the pictures, (pictures, points), by metric name and "bpp"; NaN for a picture that does
            not count for a metric; empty for published curves.
        published: source of published numbers; None for a curve that this run measured.
    """

    codec: str
    points: tuple[str, ...]
    bpp: Array
    metrics: dict[str, Array]
    by_picture: dict[str, Array]
    published: PublishedCurve | None = None

    def of(self, metric: str) -> tuple[Array, Array]:
        """Return the rates and the metric's values at the points that have the metric."""
        known = ~np.isnan(self.metrics[metric])
        return self.rates(metric)[known], self.metrics[metric][known]

    def rates(self, metric: str) -> Array:
        """Return the mean bpp at each point, (points,), over the pictures that count for a metric."""
        if metric not in self.by_picture:
            return self.bpp
        return self.by_picture["bpp"][_complete(self.by_picture[metric])].mean(0)

    def of_pictures(self, metric: str) -> tuple[Array, Array]:
        """Return rates and values, (pictures, points) each, of the pictures and points that have a metric."""
        values = self.by_picture[metric]
        those = np.ix_(_complete(values), ~np.isnan(values).all(0))
        return self.by_picture["bpp"][those], values[those]


@dataclass(frozen=True)
class Curves:
    """All curves of a run.

    Attributes:
        curves: measured curves in the order of the run, then published curves.
        pictures: pictures of the means: those that every codec has at every point that is used.
        metrics: names of the metrics that this run measured; of the published ones if it measured none.
        counts: number of pictures that a metric's means are over, for metrics that not all pictures have.
        notes: one sentence for each omitted point or picture set.
    """

    curves: tuple[Curve, ...]
    pictures: tuple[str, ...]
    metrics: tuple[str, ...]
    counts: dict[str, int]
    notes: tuple[str, ...]

    @property
    def drawn_bpp(self) -> float | None:
        """Upper limit of the rate axis, a quarter beyond the measured rates; None without measured curves."""
        measured = [float(curve.bpp.max()) for curve in self.curves if curve.published is None]
        return 1.25 * max(measured) if measured else None


def read_curves(folder: Path) -> Curves:
    """Read all curves of a run's folder; published files that the run names are read again.

    Raises:
        ConfigError: there are no results in the folder, or a published file cannot be read.
    """
    run = read_run(folder)
    return curves_of(read_rows(folder), run, [read_published(path) for path in run.published])


def curves_of(rows: Sequence[Row], run: Run, published: Sequence[PublishedCurve] = ()) -> Curves:
    """Compute mean curves from rows and add published curves.

    Args:
        rows: of a run; failed rows are left out of the means.
        run: provides the metrics of whole sets.
        published: published curves to add.
    """
    counted, notes = _counted(rows)
    pictures = list(dict.fromkeys(row.picture for row in counted))
    coded = [{row.picture for row in group} for group in by_point(counted).values()]
    common = [picture for picture in pictures if all(picture in group for group in coded)]
    if counted and len(common) < len(pictures):
        notes.append(
            f"means are over {len(common)} of {len(pictures)} pictures: those that every codec has at every point"
        )
    chosen = [row for row in counted if row.picture in set(common)]
    having = {name: _having(name, chosen, common) for name in metric_names(chosen)}
    counts = {name: len(found) for name, found in having.items() if len(found) < len(common)}
    notes += [_note(name, count, len(common)) for name, count in counts.items()]
    sets = {(item.codec, item.point): item for item in run.set_metrics} if common == list(run.pictures) else {}
    measured = [_measured(codec, chosen, common, having, sets) for codec in dict.fromkeys(row.codec for row in chosen)]
    others = _distinct([_published(curve) for curve in published], {curve.codec for curve in measured})
    all_names = dict.fromkeys(name for curve in measured or others for name in curve.metrics)
    return Curves((*measured, *others), tuple(common), tuple(all_names), counts, tuple(notes))


def curve_names(codecs: Sequence[str], published: Sequence[PublishedCurve]) -> list[str]:
    """Return the names of measured and published curves, changed where two would be equal."""
    return [*codecs, *(curve.codec for curve in _distinct([_published(curve) for curve in published], set(codecs)))]


def _counted(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Return successful rows of points that have enough pictures, and notes on the other points."""
    working = [row for row in rows if row.ok]
    notes = [f"{len(rows) - len(working)} of {len(rows)} rows failed"] if len(working) < len(rows) else []
    groups = by_point(working)
    needed = LEAST_SHARE * max(map(len, groups.values()), default=0)
    kept: list[Row] = []
    for (codec, point), group in groups.items():
        if len(group) >= needed:
            kept += group
        else:
            notes.append(f"{codec} at {point} has {len(group)} pictures only and is left out of the curves")
    return kept, notes


def _complete(values: Array) -> NDArray[np.bool_]:
    """Return which rows have a value in each column that has any, (rows,)."""
    return ~np.isnan(values[:, ~np.isnan(values).all(0)]).any(1)


def _having(name: str, rows: Sequence[Row], pictures: Sequence[str]) -> tuple[str, ...]:
    """Return the pictures that have a metric at every point at which any picture has it."""
    having = {(row.codec, row.point) for row in rows if name in row.metrics}
    lacking = {row.picture for row in rows if (row.codec, row.point) in having and name not in row.metrics}
    return tuple(picture for picture in pictures if picture not in lacking)


def _note(name: str, count: int, total: int) -> str:
    if not count:
        return f"{name} is left out: no picture has it at every point"
    return f"{name} and its bpp are over {count} of {total} pictures: those that have it at every point"


def _measured(
    codec: str,
    rows: Sequence[Row],
    pictures: Sequence[str],
    having: dict[str, tuple[str, ...]],
    sets: dict[tuple[str, str], SetMetrics],
) -> Curve:
    """Compute the curve of one codec over the pictures that it has at every point."""
    groups = {
        point: {row.picture: row for row in group} for (name, point), group in by_point(rows).items() if name == codec
    }
    bpp = {point: float(np.mean([group[p].bpp for p in pictures])) for point, group in groups.items()}
    points = sorted(groups, key=lambda point: bpp[point])
    table = [[groups[point][picture] for point in points] for picture in pictures]
    by_picture: dict[str, Array] = {}
    for name, those in having.items():
        values = [[row.metrics.get(name, np.nan) if row.picture in those else np.nan for row in line] for line in table]
        if not np.isnan(values).all():
            by_picture[name] = np.array(values)
    metrics = {name: values[_complete(values)].mean(0) for name, values in by_picture.items()}
    for name in dict.fromkeys(name for item in sets.values() for name in item.metrics):
        found = [sets[codec, point].metrics.get(name, np.nan) if (codec, point) in sets else np.nan for point in points]
        if not np.isnan(found).all():
            metrics[name] = np.array(found)
    by_picture["bpp"] = np.array([[row.bpp for row in line] for line in table])
    return Curve(codec, tuple(points), np.array([bpp[point] for point in points]), metrics, by_picture)


def _published(curve: PublishedCurve) -> Curve:
    names = dict.fromkeys(name for point in curve.points for name in point.metrics)
    metrics = {name: np.array([point.metrics.get(name, np.nan) for point in curve.points]) for name in names}
    bpp = np.array([point.bpp for point in curve.points])
    return Curve(f"{curve.name} (published)", tuple(p.label for p in curve.points), bpp, metrics, {}, curve)


def _distinct(curves: Sequence[Curve], taken: set[str]) -> list[Curve]:
    """Return the curves with distinct names; equal names of two files or of a codec are changed."""
    renamed = []
    for curve in curves:
        name, count = curve.codec, 1
        while name in taken:
            count += 1
            name = f"{curve.codec} {count}"
        taken.add(name)
        renamed.append(replace(curve, codec=name))
    return renamed
