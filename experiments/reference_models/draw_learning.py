"""Draws the quality of the reference models' backbones over the core time of their trainings.

    python experiments/reference_models/draw_learning.py -o docs/images/learning

Reads validation.csv beside this file: figures of LOG.md, on eight validation pictures at the default ratios, over the
core minutes that a lineage had trained. These are minutes of busy machines. Those of w10, w16, w17, w21, w35 and w41
are of bf16, at up to twice as many crops a second. Writes a PNG and an SVG file.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hvqcgic.evaluation import STYLE, save_figure
from hvqcgic.pages import COLOURS, metric_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE = Path(__file__).with_name("validation.csv")
LINEAGES = {
    "tiny": "tiny: AdamW, then Muon; 444 pictures",
    "next": "w29: Muon, local means; 1363 pictures",
}
METRICS = ("lpips_alex", "psnr_db")
Points = dict[str, list[dict[str, float]]]
"""Lineage to its points: core hours, and each of `METRICS`."""


def read_points(path: Path = TABLE) -> Points:
    """Read the table; points of a lineage are in the order of their core time."""
    found: Points = {name: [] for name in LINEAGES}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            point = {"hours": float(row["core_minutes"]) / 60} | {name: float(row[name]) for name in METRICS}
            found[row["lineage"]].append(point)
    return found


def draw(points: Points) -> Figure:
    """Draw one plot for each metric."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 4), layout="constrained")
        for axes, metric in zip(figure.subplots(1, len(METRICS)), METRICS, strict=True):
            for place, (name, label) in enumerate(LINEAGES.items()):
                hours, values = ([point[key] for point in points[name]] for key in ("hours", metric))
                axes.plot(hours, values, color=COLOURS[place], marker="os"[place], markersize=4, label=label)
            axes.set_xlabel("hours on one core")
            axes.set_ylabel(f"{metric_label(metric)}, 8 validation pictures")
            axes.set_xlim(left=0)
        figure.axes[0].legend()
    return figure


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="path of the files, without .png and .svg")
    options = parser.parse_args(arguments)
    for path in save_figure(draw(read_points()), options.output):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
