"""Rate, distortion and perception against rivals and published curves: Control-GIC, figure 4.

    python experiments/rd_kodak.py PICTURES... --out FOLDER [--codecs SPEC...]

Runs `python -m hvqcgic.evaluate` with the published curves of Kodak beside ours, and leaves its report, plots and
TensorBoard files in FOLDER/evaluation. The terminal shows BD-rates against this project's codec.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import common

from hvqcgic.evaluation import in_order, metric_label, read_json

CODECS = (
    "hvqcgic:tiny@path=0..1:8",
    "hvqcgic:tiny-frozen+static-huffman@path=0..1:8",
    "jpeg@5..80:8",
    "webp",
    "avif",
    "jpeg2000",
)
CURVES = (
    "fig_eflic_control_gic.kodak.json",
    "fig_eflic_hific.kodak.json",
    "fig_eflic_ms_illm.kodak.json",
    "fig_eflic_ef_lic.kodak.json",
    "ms_illm.kodak.json",
    "crdr_beta3.84.kodak.json",
    "diffeic.kodak.json",
    "rdeic_2step.kodak.json",
    "compressai-kodak/vtm.json",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluates, and prints the BD-rate of every curve against the first codec's."""
    parser = common.parser(__doc__)
    parser.add_argument("--codecs", nargs="+", default=list(CODECS), metavar="SPEC")
    parser.add_argument("--metrics", nargs="+", default=[], metavar="NAME", help="default: all that can be had")
    options = parser.parse_args(arguments)
    there = [name for name in CURVES if (options.published / name).is_file()]
    if not there:
        sys.stderr.write(f"note: no published curves in {options.published}; they are left out\n")
    specs = [*options.codecs, *(f"published:{options.published / name}" for name in there)]
    common.evaluate(options, specs, metrics=options.metrics, report=True)
    rates = read_json(options.out / "evaluation/bd_rates.json")
    entries = [entry for entry in rates["entries"] if entry["anchor"] == rates["anchor"]]
    rows = [
        {"codec": test} | {metric_label(e["metric"]): cell(e) for e in entries if e["test"] == test}
        for test in dict.fromkeys(entry["test"] for entry in entries)
    ]
    metrics = in_order(tuple(dict.fromkeys(entry["metric"] for entry in entries)))
    headings = ["codec", *map(metric_label, metrics)]
    notes = [
        f"Per cent of rate against {rates['anchor']} at equal quality; below 0 the codec of the line needs fewer bits.",
        "LPIPS is compared only with curves of the same network. Published curves are of all 24 pictures of Kodak.",
        f"Report: {options.out / 'evaluation/report.html'}",
    ]
    path = options.out / "rd_kodak.json"
    common.show(rows, title=f"BD-rate against {rates['anchor']}", path=path, notes=notes, headings=headings)


def cell(entry: dict[str, Any]) -> str:
    """BD-rate with its interval, or why there is none."""
    if entry["reason"]:
        return "no overlap" if "no common" in entry["reason"] else "-"
    interval = entry["interval"]
    return f"{entry['value']:+.1f}" + (f" ({interval[0]:+.1f} to {interval[1]:+.1f})" if interval else "")


if __name__ == "__main__":
    sys.exit(common.call(main))
