"""Rate-distortion plots of a run as PNG and SVG: one file for each metric, and one sheet with all metrics."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvqcgic.evaluation.curves import Curve, Curves, read_curves
from hvqcgic.evaluation.rate_distortion import lower_is_better
from hvqcgic.files import write_atomically
from hvqcgic.pages import COLOURS, in_order, metric_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg")
_MARKERS = "os^D"
_ACROSS, _WIDTH_IN, _HEIGHT_IN, _DPI = 2, 6.4, 4.4, 150
_HANDLE_IN, _LETTER_IN, _LINE_IN = 0.8, 0.075, 0.22
STYLE: Any = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dde1e7",
    "axes.edgecolor": "#98a3b3",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "hvqcgic",
}
"""Matplotlib's settings for every figure of this project."""


def write_plots(folder: Path) -> tuple[Path, ...]:
    """Write DIR/plots/METRIC.png and .svg for every metric of a run, and DIR/plots/all.png and .svg.

    Args:
        folder: DIR.
    Returns:
        the written files; none if the run has no curve.
    Raises:
        ConfigError: there are no results in the folder.
        OutputError: a file cannot be written.
    """
    curves = read_curves(folder)
    metrics = in_order(curves.metrics)
    if not metrics:
        return ()
    sheets = {"all": metrics} | {metric: [metric] for metric in metrics}
    written: list[Path] = []
    for name, shown in sheets.items():
        written += save_figure(draw(curves, shown), folder / "plots" / name)
    return tuple(written)


def draw(curves: Curves, metrics: list[str]) -> Figure:
    """Draw one plot for each metric, with one legend for all plots.

    Args:
        curves: of a run.
        metrics: at least one of `curves.metrics`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    across = min(_ACROSS, len(metrics))
    down = math.ceil(len(metrics) / across)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH_IN * across, _HEIGHT_IN * down), layout="constrained")
        grid = figure.subplots(down, across, squeeze=False).flat
        for axes, metric in zip(grid, metrics, strict=False):
            _draw_metric(axes, curves, metric)
        for axes in list(grid)[len(metrics) :]:
            axes.set_visible(False)
        lines = {str(line.get_label()): line for axes in figure.axes for line in axes.get_lines()}
        width_in = _HANDLE_IN + _LETTER_IN * max(map(len, lines))
        columns = max(1, min(4, int(_WIDTH_IN * across / width_in)))
        figure.set_figheight(_HEIGHT_IN * down + _LINE_IN * math.ceil(len(lines) / columns))
        figure.legend(list(lines.values()), list(lines), loc="outside upper center", ncols=columns)
    return figure


def save_figure(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as PATH.png and PATH.svg and replace existing files; equal figures give equal files.

    Returns:
        the written files.
    Raises:
        OutputError: a file cannot be written.
    """
    import matplotlib as mpl

    written = []
    for kind in FORMATS:
        buffer = io.BytesIO()
        with mpl.rc_context(STYLE):
            # A date would make equal figures give different files.
            figure.savefig(buffer, format=kind, dpi=_DPI, metadata={"Date": None} if kind == "svg" else None)
        written.append(path.with_name(f"{path.name}.{kind}"))
        write_atomically(written[-1], buffer.getvalue(), force=True)
    return written


def _draw_metric(axes: Axes, curves: Curves, metric: str) -> None:
    for place, curve in enumerate(curves.curves):
        if metric in curve.metrics:
            _draw_curve(axes, curve, metric, curves.drawn_bpp or math.inf, place=place)
    axes.set_xlabel("bits per pixel")
    axes.set_ylabel(metric_label(metric))
    title = "lower is better" if lower_is_better(metric) else "higher is better"
    if metric in curves.counts:
        title += f"; {curves.counts[metric]} of {len(curves.pictures)} pictures have it"
    axes.set_title(title, size=9, color="#626d7c")
    axes.set_xlim(left=0)


def _draw_curve(axes: Axes, curve: Curve, metric: str, highest_bpp: float, *, place: int) -> None:
    bpp, values = curve.of(metric)
    axes.plot(
        bpp[bpp <= highest_bpp],
        values[bpp <= highest_bpp],
        color=COLOURS[place % len(COLOURS)],
        marker=_MARKERS[place % len(_MARKERS)],
        linestyle="--" if curve.published else "-",
        markersize=5.5,
        markeredgecolor="white",
        linewidth=1.8,
        label=curve.codec,
    )
