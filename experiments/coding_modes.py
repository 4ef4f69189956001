"""Every coding mode on the same indices of many pictures, decoded in another process: bytes, parts, PSNR and LPIPS.

    python experiments/coding_modes.py PICTURES... --models tiny-frozen tiny-hvq tiny --out FOLDER

For each model and each ratio triple, the mean over pictures of: bits per pixel of the file in each mode, the share of
each part in the adaptive file, PSNR and LPIPS (alex) of what the file decodes to. Each adaptive file is decoded by
`hvqcgic decompress` in a process of its own and must give the encoder's reconstruction to the last bit. Rows of every
picture go to FOLDER/rows.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import call
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

import hvqcgic
from hvqcgic.bitstream import MODES
from hvqcgic.codec import Codec
from hvqcgic.files import all_pictures
from hvqcgic.models import REPORTED_RATIOS, Ratios
from hvqcgic.pictures import read_picture
from hvqcgic.rate_control import LpipsAlex, psnr_db

PARTS = ("map", "z", "coarse", "medium", "fine", "container")
Row = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints a table for each model, and writes the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+", help="pictures or folders")
    parser.add_argument("--models", nargs="+", default=["tiny-frozen", "tiny-hvq", "tiny"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--without-lpips", action="store_true")
    options = parser.parse_args(arguments)
    pictures = all_pictures(options.pictures)
    options.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for name in options.models:
        for ratios in REPORTED_RATIOS:
            rows += measure_point(name, ratios, pictures, lpips=not options.without_lpips)
    (options.out / "rows.json").write_text(json.dumps(rows, indent=1))
    for name in options.models:
        Console(width=170).print(summary(name, [row for row in rows if row["model"] == name]))


def measure_point(name: str, ratios: Ratios, pictures: tuple[Path, ...], *, lpips: bool) -> list[Row]:
    """One row a picture at one operating point."""
    codec = hvqcgic.load(name)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        coded, opened = Path(folder) / "coded", Path(folder) / "opened"
        coded.mkdir()
        expected: dict[str, np.ndarray] = {}
        for path in track(pictures, f"{name} {ratios}", transient=True, disable=not sys.stderr.isatty()):
            row, expected[path.stem], data = encode(codec, path, ratios)
            row["model"] = name
            (coded / f"{path.stem}.hvq").write_bytes(data)
            rows.append(row)
        decode = [sys.executable, "-m", "hvqcgic", "decompress", str(coded), "-o", str(opened) + "/", "--model", name]
        decode += ["--precision", "float32"]  # as the codec here
        subprocess.run(decode, check=True, stdout=subprocess.DEVNULL)
        for row, path in zip(rows, pictures, strict=True):
            decoded = np.asarray(Image.open(opened / f"{path.stem}.png"))
            row["exact"] = bool(np.array_equal(decoded, expected[path.stem]))
            row |= quality(read_picture(path), decoded, lpips=lpips)
    return rows


def encode(codec: Codec, path: Path, ratios: Ratios) -> tuple[Row, np.ndarray, bytes]:
    """The row of a picture, the encoder's reconstruction (H, W, 3) uint8, and its adaptive file."""
    encoded = codec.encode(path, ratios=ratios)
    written = {mode: codec.write(encoded, coding=mode) for mode in MODES}
    row: Row = {
        "ratios": list(ratios),
        "picture": path.name,
        "pixels": encoded.width * encoded.height,
        "bytes": {mode: len(found.data) for mode, found in written.items()},
        "parts": written["adaptive"].parts,
        "estimated_bits": written["adaptive"].estimated_bits,
    }
    return row, np.asarray(codec.reconstruct(encoded)), written["adaptive"].data


def quality(picture: np.ndarray, decoded: np.ndarray, *, lpips: bool) -> Row:
    """PSNR in decibels, and LPIPS (alex)."""
    found: Row = {"psnr_db": psnr_db(picture, decoded)}
    return found | {"lpips": LpipsAlex(picture).measure(decoded)} if lpips else found


def summary(name: str, rows: list[Row]) -> Table:
    """Means over pictures, a line for each ratio triple."""
    table = Table(title=f"{name}: mean of {len({row['picture'] for row in rows})} pictures, bpp of whole files")
    for heading in (
        "ratios",
        *MODES,
        "saved %",
        "parts of adaptive %: " + " ".join(PARTS),
        "PSNR",
        "LPIPS",
        "exact",
    ):
        table.add_column(heading)
    for ratios in REPORTED_RATIOS:
        chosen = [row for row in rows if tuple(row["ratios"]) == ratios]
        bpp = {mode: np.mean([8 * row["bytes"][mode] / row["pixels"] for row in chosen]) for mode in MODES}
        total = sum(8 * row["bytes"]["adaptive"] for row in chosen)
        shares = [100 * sum(row["parts"][part] for row in chosen) / total for part in PARTS]
        saved = 100 * (1 - bpp["adaptive"] / bpp["static-arithmetic"])
        table.add_row(
            " ".join(map(str, ratios)),
            *(f"{bpp[mode]:.4f}" for mode in MODES),
            f"{saved:.1f}",
            " ".join(f"{share:.1f}" for share in shares),
            f"{np.mean([row['psnr_db'] for row in chosen]):.2f}",
            f"{np.mean([row.get('lpips', np.nan) for row in chosen]):.4f}",
            f"{sum(row['exact'] for row in chosen)}/{len(chosen)}",
        )
    return table


if __name__ == "__main__":
    sys.exit(call(main))
