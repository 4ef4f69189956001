"""Fine control of the rate by small steps of the ratios: Control-GIC, table 2.

    python experiments/fine_rate_control.py PICTURES... --out FOLDER [--model tiny]

The four ratio triples of the published table, one thousandth of the area apart. What matters is that rate rises and
distance falls at every step, and by how little; the published rates are those of another number of codes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import common

from hvqcgic.evaluation import PointMean
from hvqcgic.pages import metric_label

TRIPLES = ((0.301, 0.599, 0.1), (0.302, 0.598, 0.1), (0.303, 0.597, 0.1), (0.304, 0.596, 0.1))
METRICS = ("lpips_alex", "dists", "fid", "niqe")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints the table."""
    parser = common.parser(__doc__)
    parser.add_argument("--model", default="tiny")
    options = parser.parse_args(arguments)
    points = ";".join("ratios=" + ",".join(map(str, ratios)) for ratios in TRIPLES)
    done = common.evaluate(options, [f"hvqcgic:{options.model}@{points}"], metrics=METRICS)
    rows = [ours(point) for point in sorted(done.means, key=lambda point: point.point)]
    theirs = common.published(options.published, "control_gic.json")
    for entry in (theirs or {}).get("points", []):
        values = {"lpips_alex": entry["lpips"], **{name: entry[name] for name in METRICS[1:]}}
        rows.append(row("published: Control-GIC", common.triple(entry["granularity_ratio_fmc"]), entry["bpp"], values))
    steps = [after["bpp"] - before["bpp"] for before, after in pairwise(rows[: len(TRIPLES)])]
    smallest, largest = min(steps), max(steps)
    notes = [
        f"Ours: each step of 0.001 of the area costs {smallest:+.5f} to {largest:+.5f} bpp.",
        "The published LPIPS network is not stated; by its values it is AlexNet.",
        *(f"{metric_label(name)}: {why}" for name, why in done.run.metric_notes.items()),
    ]
    common.show(rows, title="Small steps of the ratios", path=options.out / "fine_rate_control.json", notes=notes)


def ours(point: PointMean) -> dict[str, Any]:
    """The row of a measured point."""
    return row(point.codec, point.point.partition("=")[2].replace(",", ", "), point.bpp, point.metrics)


def row(name: str, ratios: str, bpp: float, metrics: dict[str, float]) -> dict[str, Any]:
    """A row of the table."""
    values = {metric_label(metric): round(metrics[metric], 5) if metric in metrics else None for metric in METRICS}
    return {"codec": name, "ratios f, m, c": ratios, "bpp": round(bpp, 5)} | values


if __name__ == "__main__":
    sys.exit(common.call(main))
