"""Bits saved at equal LPIPS against the static baseline: the headline of HVQ-CGIC.

    python experiments/equal_lpips.py PICTURES... --out FOLDER [--model tiny] [--baseline tiny-frozen]

The test is a model in adaptive mode, the baseline one that was trained on distortion alone, in static Huffman mode with
the raw map (Control-GIC's way). HVQ-CGIC states 61.3 per cent fewer bits on Kodak at equal LPIPS, of a network that it
does not name, against Control-GIC, CDC and HiFiC. For ours every network is given, of which training used AlexNet, and
PSNR and DISTS beside them. The second table is the same against the baseline's own indices, adaptively coded: what
joint training does without the entropy model.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import common
import numpy as np

from hvqcgic.evaluation import bd_rates, curves_of, metric_label

METRICS = ("lpips_alex", "lpips_squeeze", "lpips_vgg", "dists", "psnr_db")


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluates and prints the tables."""
    parser = common.parser(__doc__)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--baseline", default="tiny-frozen")
    parser.add_argument("--points", default="path=0..1:8", help="operating points of all three (%(default)s)")
    parser.add_argument("--metrics", nargs="+", default=list(METRICS), metavar="NAME")
    options = parser.parse_args(arguments)
    test = f"hvqcgic:{options.model}"
    anchors = [f"hvqcgic:{options.baseline}+static-huffman", f"hvqcgic:{options.baseline}"]
    specs = [f"{label}@{options.points}" for label in dict.fromkeys([test, *anchors])]
    done = common.evaluate(options, specs, metrics=options.metrics)
    curves = curves_of(done.rows, done.run)
    rows: list[dict[str, Any]] = []
    for anchor in anchors:
        found = bd_rates(curves, anchor, generator=np.random.default_rng(0))
        rows += [line(entry) for entry in found.entries if entry.anchor == anchor and entry.test == test]
    theirs = common.published(options.published, "hvq_cgic_claims.json")
    for claim in (theirs or {}).get("claims", []):
        if claim["version"] == "v1":
            rows.append(
                {"test": "published: HVQ-CGIC", "against": "Control-GIC, CDC, HiFiC", "at equal": "LPIPS (not stated)"}
                | {"bits %": claim["value_pct"]}
            )
    notes = [
        *curves.notes,
        f"Mean difference in bits over the range that both curves share, {len(curves.pictures)} pictures, "
        "95 % interval of a bootstrap over pictures.",
    ]
    common.show(rows, title="Bits at equal quality", path=options.out / "equal_lpips.json", notes=notes)


def line(entry: Any) -> dict[str, Any]:
    """A row of the table."""
    row = {"test": entry.test, "against": entry.anchor, "at equal": metric_label(entry.metric)}
    found = entry.difference
    if found is None:
        return row | {"note": entry.reason}
    interval = f"{found.interval[0]:+.1f} to {found.interval[1]:+.1f}" if found.interval else None
    return row | {
        "bits %": round(found.value, 1),
        "interval": interval,
        "range": f"{found.low:.4g} to {found.high:.4g}",
        "note": "; ".join(found.notes) or None,
    }


if __name__ == "__main__":
    sys.exit(common.call(main))
