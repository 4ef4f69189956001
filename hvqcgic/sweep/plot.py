"""The Pareto front of a sweep as a figure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hvqcgic.evaluation import STYLE
from hvqcgic.pages import COLOURS
from hvqcgic.sweep.outcome import Found, Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KINDS = {"evaluate": (COLOURS[0], "o"), "train": (COLOURS[1], "^")}
_WIDTH_IN, _HEIGHT_IN, _ACROSS = 6.4, 4.6, 2


def draw_front(outcome: Outcome) -> Figure:
    """Plot all measured trials: the first objective against each of the others.

    Trials on the front are filled; the line joins the best values at each value of the first objective.

    Args:
        outcome: with at least one trial.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    others = len(outcome.objectives) - 1
    across = min(_ACROSS, others)
    down = math.ceil(others / across)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH_IN * across, _HEIGHT_IN * down), layout="constrained")
        grid = list(figure.subplots(down, across, squeeze=False).flat)
        for place, axes in enumerate(grid, start=1):
            axes.set_visible(place <= others)
            if place <= others:
                _draw_pair(axes, outcome, place)
        grid[0].legend()
    return figure


def _draw_pair(axes: Axes, outcome: Outcome, place: int) -> None:
    x, y = outcome.objectives[0], outcome.objectives[place]
    front = {found.number for found in outcome.front}
    for kind, (colour, marker) in _KINDS.items():
        for is_front in (False, True):
            shown = [t for t in outcome.trials if t.kind == kind and (t.number in front) == is_front]
            if shown:
                axes.scatter(
                    *_columns(shown, place),
                    marker=marker,
                    s=34,
                    edgecolors=colour,
                    facecolors=colour if is_front else "none",
                    label=f"{kind}{', on the front' if is_front else ''}",
                    zorder=3,
                )
    if len(outcome.objectives) == 2 and len(outcome.front) > 1:
        where = "post" if x.minimised else "pre"
        axes.step(*_columns(outcome.front, place), where=where, color="#98a3b3", linewidth=1.2)
    for name, found in outcome.best.items():
        axes.annotate(
            name, (found.values[0], found.values[place]), xytext=(6, 6), textcoords="offset points", fontsize=9
        )
    axes.set_xlabel(f"{x.label} ({'lower' if x.minimised else 'higher'} is better)")
    axes.set_ylabel(f"{y.label} ({'lower' if y.minimised else 'higher'} is better)")


def _columns(trials: tuple[Found, ...] | list[Found], place: int) -> tuple[list[float], list[float]]:
    return [found.values[0] for found in trials], [found.values[place] for found in trials]
