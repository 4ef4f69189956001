"""Draws the ratio paths of `hvqcgic.rate_control.ratio_path`: shares and number of indices along each.

    python tools/draw_ratio_paths.py [-o ratio_paths]

Writes OUTPUT.png and OUTPUT.svg with a column for each path. The upper row shows the shares of the picture's area in
fine, medium and coarse cells at every place t. The lower row shows the indices per pixel, from 1/256 (all coarse) to
1/16 (all fine). Exit code: 0 done; 2 the files cannot be written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hvqcgic.bitstream import CELL_PX
from hvqcgic.errors import OutputError
from hvqcgic.evaluation import STYLE, save_figure
from hvqcgic.models import Ratios
from hvqcgic.pictures import GRANULARITY_COLOURS
from hvqcgic.rate_control import PATHS, RatioPath

PLACES = np.linspace(0, 1, 401)
ORDER = ("fine", "medium", "coarse")  # of the three numbers in ratios
TICKS = {1 / 256: "1/256", 1 / 128: "1/128", 1 / 64: "1/64", 1 / 32: "1/32", 1 / 16: "1/16"}
COLUMN_IN, HEIGHT_IN = 3.8, 5.2


def indices_per_pixel(shares: Ratios) -> float:
    """Indices per pixel for (fine, medium, coarse) shares, from 1/256 to 1/16."""
    return sum(share / CELL_PX[name] ** 2 for name, share in zip(ORDER, shares, strict=True))


def draw(paths: Mapping[str, RatioPath]) -> Figure:
    """Draw a column for each path: stacked shares above, indices per pixel below.

    Args:
        paths: (fine, medium, coarse) at each place in [0, 1], by name; at least one.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_IN * len(paths) + 0.6, HEIGHT_IN), layout="constrained")
        grid = figure.subplots(2, len(paths), squeeze=False, sharex=True, sharey="row", height_ratios=[3, 2])
        for (name, path), above, below in zip(paths.items(), grid[0], grid[1], strict=True):
            shares = [path(float(t)) for t in PLACES]
            _draw_shares(above, np.array(shares))
            above.set_title(name)
            below.plot(PLACES, [indices_per_pixel(each) for each in shares], color="#1f5fbf", linewidth=1.8)
            below.set_yscale("log", base=2)
            below.set_yticks(list(TICKS), list(TICKS.values()))
            below.set_xlim(0, 1)
            below.set_xlabel("place t on the path")
        grid[0, 0].set_ylabel("share of the area")
        grid[1, 0].set_ylabel("indices per pixel")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(ORDER))
    return figure


def _draw_shares(axes: Axes, shares: np.ndarray) -> None:
    """Draw stacked areas, coarse cells lowest; shares are (places, 3), in `ORDER`."""
    names = ORDER[::-1]
    axes.stackplot(
        PLACES,
        shares[:, ::-1].T,
        labels=names,
        colors=[GRANULARITY_COLOURS[name] for name in names],
        edgecolor="#626d7c",
        linewidth=0.6,
    )
    axes.set_ylim(0, 1)


def main(arguments: list[str] | None = None) -> int:
    """Draw and write the files; exit code: see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("ratio_paths"), help="files to write, without suffix")
    options = parser.parse_args(arguments)
    try:
        written = save_figure(draw(PATHS), options.output)
    except OutputError as error:
        print(error, file=sys.stderr)
        return 2
    for path in written:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
