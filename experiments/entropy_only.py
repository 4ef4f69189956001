"""What the entropy model alone saves, on indices that stay the same: the claim of HyperVQ.

    python experiments/entropy_only.py PICTURES... --out FOLDER [--models tiny-frozen tiny]

HyperVQ states a mean saving of 18.5 per cent over several architectures, 7.28 times what Huffman coding saves. Here the
means are over the ratio triples of Control-GIC's tables. Bits of the map of cell sizes are left out on both sides of
"indices", as they are no part of that claim; "files" counts everything.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import common
import numpy as np

import hvqcgic
from hvqcgic.files import all_pictures
from hvqcgic.models import REPORTED_RATIOS

LEAST_SAVING = 1.0
"""Per cent that Huffman coding must save for a ratio to it to mean something."""

REFERENCES = ("fixed-length", "static-huffman", "static-arithmetic")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints the table."""
    parser = common.parser(__doc__)
    common.add_models(parser)
    options = parser.parse_args(arguments)
    pictures = all_pictures(options.pictures)
    rows: list[dict[str, Any]] = []
    for name in options.models:
        codec = hvqcgic.load(name)
        coded = [common.code_in_all_modes(codec, pictures, ratios) for ratios in REPORTED_RATIOS]
        lines = [line(name, common.triple(r), sizes) for r, sizes in zip(REPORTED_RATIOS, coded, strict=True)]
        rows += [*lines, mean_of(name, lines)]
    theirs = common.published(options.published, "hvq_cgic_claims.json")
    for claim in (theirs or {}).get("claims", []):
        if "huffman_implied_pct" in claim:
            huffman, saved = claim["huffman_implied_pct"], -claim["value_pct"]
            rows.append(
                {"model": "published: HyperVQ", "ratios f, m, c": "mean over architectures"}
                | {"indices: Huffman saves %": huffman, "indices: adaptive saves %": saved}
                | {"times Huffman's": round(saved / huffman, 2)}
            )
    notes = [
        f"Savings of fixed length codes, {len(pictures)} pictures; z counts as part of the adaptively coded indices.",
        f"Where Huffman coding saves less than {LEAST_SAVING:g} %, no multiple of it is given.",
    ]
    common.show(rows, title="Saving of the entropy model alone", path=options.out / "entropy_only.json", notes=notes)


def line(model: str, ratios: str, sizes: Sequence[common.Sizes]) -> dict[str, Any]:
    """A row of one model and ratio triple."""
    indices = {mode: float(np.mean([index_bits(size.parts[mode]) / size.pixels for size in sizes])) for mode in MODES}
    saved = {mode: common.saved_percent(indices[mode], indices["fixed-length"]) for mode in MODES}
    files = {mode: common.mean_bpp(sizes, mode) for mode in MODES}
    huffman = saved["static-huffman"]
    return {
        "model": model,
        "ratios f, m, c": ratios,
        "indices: Huffman saves %": huffman,
        "indices: static arithmetic saves %": saved["static-arithmetic"],
        "indices: adaptive saves %": saved["adaptive"],
        "times Huffman's": times(saved["adaptive"], huffman),
        "files: adaptive against Huffman %": common.saved_percent(files["adaptive"], files["static-huffman"]),
    }


MODES = (*REFERENCES, "adaptive")


def index_bits(parts: dict[str, float]) -> float:
    """Bits of indices and hyper-latents."""
    return sum(bits for name, bits in parts.items() if name not in ("map", "container"))


def mean_of(model: str, lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean of a model's rows."""
    found: dict[str, Any] = {"model": model, "ratios f, m, c": "mean"}
    for key in lines[0]:
        values = [row[key] for row in lines if isinstance(row[key], float)]
        if values:
            found[key] = round(float(np.mean(values)), 1)
    return found | {"times Huffman's": times(found["indices: adaptive saves %"], found["indices: Huffman saves %"])}


def times(adaptive: float, huffman: float) -> float | None:
    """How many times Huffman's saving; None where that is too little to divide by."""
    return round(adaptive / huffman, 2) if huffman >= LEAST_SAVING else None


if __name__ == "__main__":
    sys.exit(common.call(main))
