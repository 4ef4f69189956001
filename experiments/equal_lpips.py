"""Bits saved at equal LPIPS against the static baseline: the headline of HVQ-CGIC.

    python experiments/equal_lpips.py PICTURES... --out FOLDER [--model tiny] [--baseline tiny-frozen]

The test is a model in adaptive mode, the baseline one that was trained on distortion alone, in static Huffman mode with
the raw map (Control-GIC's way). HVQ-CGIC states 61.3 per cent fewer bits on Kodak at equal LPIPS, of a network that it
does not name, against Control-GIC, CDC and HiFiC. For ours every network is given, of which training used AlexNet, and
PSNR and DISTS beside them. The second line is the same against the baseline's own indices, adaptively coded: what
joint training does without the entropy model.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import common

METRICS = ("lpips_alex", "lpips_squeeze", "lpips_vgg", "dists", "psnr_db")


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluates and prints the table."""
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
    compared = {anchor: common.compare(done, anchor) for anchor in anchors if anchor != test}
    rows = [{"test": test, "against": anchor, **found.get(test, {})} for anchor, found in compared.items()]
    theirs = common.published(options.published, "hvq_cgic_claims.json")
    for claim in (theirs or {}).get("claims", []):
        if claim["version"] == "v1":
            rows.append(
                {"test": "published: HVQ-CGIC", "against": "Control-GIC, CDC, HiFiC"}
                | {"LPIPS (network not stated)": claim["value_pct"]}
            )
    notes = dict.fromkeys(note for found in compared.values() for note in found.notes)
    common.show(rows, title="Bits at equal quality, %", path=options.out / "equal_lpips.json", notes=[*notes])


if __name__ == "__main__":
    sys.exit(common.call(main))
