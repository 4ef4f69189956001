"""One budget for a folder, shared out at equal slope, against the same bits per pixel for every picture.

    python experiments/folder_budget.py PICTURES... --out FOLDER [--bpp 0.1 0.2 0.3] [--by mse lpips]

The budget is what all pictures take at one rate; the total of the real files, and the pictures' mean LPIPS and PSNR,
stand beside those of `compress --bpp` at that rate.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import common
import numpy as np
from rich.progress import track

import hvqcgic
from hvqcgic.codec import Codec
from hvqcgic.files import all_pictures
from hvqcgic.pictures import read_picture
from hvqcgic.rate_control import DISTORTIONS, LpipsAlex, measure_curve, psnr_db, share_out


def main(arguments: Sequence[str] | None = None) -> None:
    """Compresses both ways, and prints the table."""
    parser = common.parser(__doc__)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--bpp", nargs="+", type=float, default=[0.1, 0.2, 0.3])
    parser.add_argument("--by", nargs="+", default=list(DISTORTIONS), choices=DISTORTIONS)
    options = parser.parse_args(arguments)
    codec, paths = hvqcgic.load(options.model, device="cpu"), all_pictures(options.pictures)
    quiet = not sys.stderr.isatty()
    curves = {
        by: [measure_curve(codec, path, by=by) for path in track(paths, f"curves, {by}", disable=quiet)]
        for by in options.by
    }
    rows: list[dict[str, Any]] = []
    for bpp in options.bpp:
        equal = [int(np.prod(read_picture(path).shape[:2]) * bpp / 8) for path in paths]
        plans = {"equal bpp": equal}
        for by in options.by:
            plans[f"equal slope, {by}"] = share_out(curves[by], total_bytes=sum(equal))
        for name, sizes in plans.items():
            rows.append({"budget": sum(equal), "shared by": name} | coded(codec, paths, sizes))
    notes = [f"{len(paths)} pictures. Every file is limited to its share; what one leaves, the next one may use."]
    common.show(rows, title=f"Budgets of {codec.name}", path=options.out / "folder_budget.json", notes=notes)


def coded(codec: Codec, paths: Sequence[Path], sizes: Sequence[int]) -> dict[str, Any]:
    """The files of one plan: their total, and the quality of what they decode to."""
    total, left, lpips, psnr, squares = 0, 0, [], [], 0.0
    pixels = 0
    for path, size in zip(paths, sizes, strict=True):
        picture = read_picture(path)
        data = codec.compress(picture, max_bytes=size + left)
        total, left = total + len(data), size + left - len(data)
        decoded = np.asarray(codec.decompress(data))
        lpips.append(LpipsAlex(picture).measure(decoded))
        psnr.append(psnr_db(picture, decoded))
        squares += float(np.square(picture.astype(np.float64) - decoded).sum())
        pixels += picture.size
    return {
        "bytes": total,
        "of the budget %": round(100 * total / sum(sizes), 2) if sum(sizes) else None,
        "LPIPS": round(float(np.mean(lpips)), 4),
        "PSNR (dB)": round(float(np.mean(psnr)), 3),
        "PSNR of all pixels": round(10 * np.log10(255**2 * pixels / squares), 3),
    }


if __name__ == "__main__":
    sys.exit(common.call(main))
