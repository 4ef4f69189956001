"""What an encoder's choices are worth for one model: ratio paths, eta, and granularity by rate and distortion.

    python experiments/encoder_choices.py PICTURES... --out FOLDER [--model tiny] [--choices +corner +eta=0.1 +rd ...]

Every choice is coded at the same places of its ratio path; the table gives its BD-rate against the model as it is: per
cent of bytes at equal quality, below 0 fewer. The choices were made on validation pictures, never on Kodak.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import common
import numpy as np

from hvqcgic.evaluation.bd_rates import bd_rates
from hvqcgic.evaluation.curves import curves_of
from hvqcgic.evaluation.names import metric_label
from hvqcgic.rate_control.ratio_path import DEFAULT, PATHS

CHOICES = (
    *(f"+{path}" for path in PATHS if path != DEFAULT),
    *("+eta=0.03", "+eta=0.1", "+eta=0.3", "+rd", "+rd+eta=0.1"),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluates and prints the tables."""
    parser = common.parser(__doc__)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--choices", nargs="+", default=list(CHOICES), metavar="+OPTION")
    parser.add_argument("--points", default="path=0.1..0.9:5", help="places on the ratio path (%(default)s)")
    parser.add_argument("--metrics", nargs="+", default=["lpips_alex", "lpips_squeeze", "psnr_db"], metavar="NAME")
    options = parser.parse_args(arguments)
    plain = f"hvqcgic:{options.model}"
    labels = [plain, *(plain + choice for choice in options.choices)]
    done = common.evaluate(options, [f"{label}@{options.points}" for label in labels], metrics=options.metrics)
    curves = curves_of(done.rows, done.run)
    found = bd_rates(curves, plain, generator=np.random.default_rng(0))
    rows: list[dict[str, Any]] = []
    for label in labels[1:]:
        entries = [entry for entry in found.entries if entry.anchor == plain and entry.test == label]
        rows.append({"choice": label.removeprefix(plain)} | {metric_label(e.metric): cell(e) for e in entries})
    points = [
        {"codec": point.codec.removeprefix("hvqcgic:"), "place": point.point.partition("=")[2]}
        | {"bpp": round(point.bpp, 4)}
        | {metric_label(name): round(value, 4) for name, value in point.metrics.items()}
        for point in done.means
    ]
    common.show(points, title="Points", path=options.out / "points.json")
    notes = [
        f"Against {plain} (path {DEFAULT}, eta 0, entropy order), {len(curves.pictures)} pictures; in brackets the "
        "95 % interval of a bootstrap over pictures.",
        *curves.notes,
    ]
    common.show(rows, title="BD-rate, %", path=options.out / "encoder_choices.json", notes=notes)


def cell(entry: Any) -> str:
    """BD-rate with its interval, or why there is none."""
    found = entry.difference
    if found is None:
        return entry.reason
    interval = f" ({found.interval[0]:+.1f} to {found.interval[1]:+.1f})" if found.interval else ""
    return f"{found.value:+.1f}{interval}"


if __name__ == "__main__":
    sys.exit(common.call(main))
