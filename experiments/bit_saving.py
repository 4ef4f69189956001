"""What entropy coding saves of the same indices: Control-GIC, table 1.

    python experiments/bit_saving.py PICTURES... --out FOLDER [--models tiny-frozen tiny]

For each model and ratio triple, mean bits per pixel of whole files: zip, fixed length (which is what Huffman coding of
uniform frequencies gives, as the number of codes is a power of two), Huffman coding of the counts of training, static
arithmetic coding of the same counts, adaptive coding; and what each saves of fixed length. The published bits per pixel
are of 16384 codes, so that savings can be compared and rates cannot.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import common

import hvqcgic
from hvqcgic.files import all_pictures
from hvqcgic.models import REPORTED_RATIOS

COLUMNS = {
    "zip": "bpp_zip",
    "fixed-length": "bpp_huffman_uniform",
    "static-huffman": "bpp_huffman_statistical",
    "static-arithmetic": None,
    "adaptive": None,
}
"""Our coding modes, and what the published table calls them."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints the table."""
    parser = common.parser(__doc__)
    common.add_models(parser)
    options = parser.parse_args(arguments)
    pictures = all_pictures(options.pictures)
    rows: list[dict[str, Any]] = []
    for name in options.models:
        codec = hvqcgic.load(name)
        for ratios in REPORTED_RATIOS:
            sizes = common.code_in_all_modes(codec, pictures, ratios)
            found = {mode: common.mean_bpp(sizes, mode) for mode in COLUMNS}
            rows.append(line(f"{name} (K = {codec.config.codebook_size})", ratios, found))
    theirs = common.published(options.published, "control_gic.json")
    for entry in (theirs or {}).get("table1_entropy_coding", []):
        found = {mode: entry[key] for mode, key in COLUMNS.items() if key}
        rows.append(line("published: Control-GIC (K = 16384)", entry["granularity_ratio_fmc"], found))
    notes = [
        f"Means of {len(pictures)} pictures. zip, fixed length and Huffman carry the map of cell sizes raw, as "
        "published; the other two code it.",
        "What the published ZIP packs is not known; ours packs indices of 16 bits each.",
    ]
    common.show(
        rows, title="Bits per pixel by coding of the indices", path=options.out / "bit_saving.json", notes=notes
    )


def line(name: str, ratios: Sequence[float], bpp: dict[str, float]) -> dict[str, Any]:
    """A row: rates, then savings of fixed length in per cent."""
    savings = {
        f"{mode} saves %": common.saved_percent(value, bpp["fixed-length"])
        for mode, value in bpp.items()
        if mode not in ("zip", "fixed-length")
    }
    return {"model": name, "ratios f, m, c": common.triple(ratios)} | {m: round(v, 4) for m, v in bpp.items()} | savings


if __name__ == "__main__":
    sys.exit(common.call(main))
