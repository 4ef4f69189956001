"""A region of interest: one picture plain and with its region favoured, at equal bytes, side by side.

    python experiments/region_of_interest.py PICTURE --roi 100,80,200,160=4 --bpp 0.15 --out FOLDER

Writes FOLDER/region_of_interest.png: original, plain, with regions, and below them the cells of both; the table gives
LPIPS and PSNR of the first rectangle and of the whole picture.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import common
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import hvqcgic
from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.coder import Encoded
from hvqcgic.errors import ConfigError
from hvqcgic.files import all_pictures
from hvqcgic.pictures import granularity_overlay, read_picture
from hvqcgic.rate_control import LpipsAlex, Region, parse_roi, psnr_db

Pixels = NDArray[np.uint8]


def main(arguments: Sequence[str] | None = None) -> None:
    """Compresses twice, draws and prints."""
    parser = common.parser(__doc__)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--roi", action="append", required=True, metavar="MASK_OR_REGION")
    parser.add_argument("--bpp", type=float, default=0.15)
    options = parser.parse_args(arguments)
    rois = [parse_roi(text) for text in options.roi]
    region = next((roi for roi in rois if isinstance(roi, Region)), None)
    if region is None:
        raise ConfigError("give at least one rectangle x,y,w,h=weight, whose quality is measured apart")
    codec = hvqcgic.load(options.model, device="cpu")
    original = read_picture(all_pictures(options.pictures)[0])
    rows: list[dict[str, Any]] = []
    strips = [np.concatenate([original, np.zeros_like(original)])]
    for name, chosen in (("plain", ()), ("with regions", rois)):
        data = codec.compress(original, bpp=options.bpp, roi=chosen)
        encoded = codec.read(data)
        decoded = np.asarray(codec.reconstruct(encoded))
        strips.append(np.concatenate([decoded, cells(encoded)]))
        rows.append({"picture": name, "bytes": len(data)} | quality("all of it", original, decoded))
        rows[-1] |= quality("region", cut(original, region), cut(decoded, region))
    common.show(rows, title="Region of interest", path=options.out / "region_of_interest.json")
    Image.fromarray(np.concatenate(strips, 1)).save(options.out / "region_of_interest.png")


def quality(where: str, original: Pixels, decoded: Pixels) -> dict[str, Any]:
    """LPIPS and PSNR, named after the part of the picture."""
    lpips = LpipsAlex(original).measure(decoded)
    return {f"LPIPS, {where}": round(lpips, 4), f"PSNR, {where}": round(psnr_db(original, decoded), 2)}


def cut(pixels: Pixels, region: Region) -> Pixels:
    """The rectangle of a picture."""
    return pixels[region.y : region.y + region.height, region.x : region.x + region.width]


def cells(encoded: Encoded) -> Pixels:
    """The granularity map in colours, of the picture's size."""
    masks = {g: torch.from_numpy(encoded.masks[g]) for g in GRANULARITIES}
    drawn = granularity_overlay(masks)[:, : encoded.height, : encoded.width]
    return (drawn * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


if __name__ == "__main__":
    sys.exit(common.call(main))
