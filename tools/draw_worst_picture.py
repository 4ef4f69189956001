"""Draws the picture on which a model is worst: the picture with the highest LPIPS, original and decoded side by side.

    python tools/draw_worst_picture.py MODEL [PICTURES] [--bpp 0.2] [--steps 0 2] [--refine 0 10] -o WORST.webp

Without PICTURES, the photographs of scikit-image are used. The tool draws the square window with the largest squared
error, pixel by pixel. Several numbers of reverse path steps, or of refinement steps, are drawn side by side; the first
one selects the picture. Prints the LPIPS and PSNR of every picture, worst first.
Exit codes: 0 done; 2 a model, pictures or an output that cannot be used.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hvqcgic.codec import Codec, load
from hvqcgic.errors import HvqcgicError
from hvqcgic.evaluation import METRICS, Metric, MetricOptions, Picture
from hvqcgic.files import all_pictures, one_line, write_atomically
from hvqcgic.pictures import read_picture
from hvqcgic.training import EMBEDDED_TRAIN, EMBEDDED_VAL

GAP_PX = 4


@dataclass(frozen=True)
class Decoded:
    """A picture and its decoded versions, (H, W, 3) uint8 each; values are of the first version."""

    name: str
    original: NDArray[np.uint8]
    decoded: tuple[NDArray[np.uint8], ...]
    bpp: float
    lpips: float
    psnr_db: float

    def __str__(self) -> str:
        """Format the values as one line."""
        return f"{self.name}: {self.bpp:.3f} bpp, LPIPS {self.lpips:.3f}, {self.psnr_db:.2f} dB"


def pictures(arguments: Sequence[str]) -> list[Path]:
    """Return the named pictures, or scikit-image's photographs.

    Raises:
        ConfigError: a folder has no pictures.
    """
    if arguments:
        return list(all_pictures(arguments))
    folder = Path(str(resources.files("skimage") / "data"))
    return [folder / name for name in (*EMBEDDED_TRAIN, *EMBEDDED_VAL)]


def decode(
    codec: Codec,
    path: Path,
    bpp: float,
    metrics: Sequence[Metric],
    *,
    steps: Sequence[int] = (0,),
    refine: Sequence[int] = (0,),
) -> Decoded:
    """Decode one picture at a bit rate, or at the nearest possible bit rate.

    Args:
        codec: of the model.
        path: of the picture.
        bpp: the bit rate.
        metrics: LPIPS and PSNR.
        steps: numbers of reverse path steps, one for each decoded picture.
        refine: numbers of refinement steps, one for each file; each file is decoded with all numbers of steps.
    """
    original = read_picture(path)
    files = [codec.compress(original, bpp=bpp, clamp=True, refine=count) for count in refine]
    decoded = tuple(np.asarray(codec.decompress(data, steps=count)) for data in files for count in steps)
    lpips, psnr_db = (metric.measure(Picture(original), Picture(decoded[0])) for metric in metrics)
    pixels = original.shape[0] * original.shape[1]
    return Decoded(path.stem, original, decoded, 8 * len(files[0]) / pixels, lpips, psnr_db)


def worst_window(original: NDArray[np.uint8], decoded: NDArray[np.uint8], side: int) -> tuple[int, int]:
    """Top and left of the window with the largest squared error, on a grid of a quarter of its side."""
    error = np.square(original.astype(np.float64) - decoded).sum(2)
    sums = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    height, width = error.shape
    tops, lefts = (range(0, max(1, length - side + 1), max(1, side // 4)) for length in (height, width))
    rows, columns = min(side, height), min(side, width)

    def total(place: tuple[int, int]) -> float:
        top, left = place
        bottom, right = top + rows, left + columns
        return float(sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left])

    return max(((top, left) for top in tops for left in lefts), key=total)


def draw(found: Decoded, side: int) -> Image.Image:
    """Draw original and decoded windows side by side."""
    top, left = worst_window(found.original, found.decoded[0], side)
    parts = [Image.fromarray(whole[top : top + side, left : left + side]) for whole in (found.original, *found.decoded)]
    width, height = parts[0].size
    sheet = Image.new("RGB", (len(parts) * (width + GAP_PX) - GAP_PX, height), "white")
    for place, part in enumerate(parts):
        sheet.paste(part, (place * (width + GAP_PX), 0))
    return sheet


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; exit code: see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a bundled model or a model file")
    parser.add_argument("pictures", nargs="*", help="pictures or folders")
    parser.add_argument("--bpp", type=float, default=0.2, help="bits per pixel (%(default)s)")
    parser.add_argument("--steps", type=int, nargs="+", default=[0], help="steps of the reverse path (%(default)s)")
    parser.add_argument("--refine", type=int, nargs="+", default=[0], help="steps of refinement (%(default)s)")
    parser.add_argument("--side", type=int, default=320, help="side of the window in pixels (%(default)s)")
    parser.add_argument("-o", "--output", type=Path, required=True, help=".webp or .png")
    options = parser.parse_args(arguments)
    try:
        codec = load(options.model, device="cpu")
        metrics = [METRICS[name](MetricOptions()) for name in ("lpips_alex", "psnr_db")]
        choices = {"steps": options.steps, "refine": options.refine}
        found = [decode(codec, path, options.bpp, metrics, **choices) for path in pictures(options.pictures)]
        found.sort(key=lambda one: one.lpips, reverse=True)
        data = io.BytesIO()
        draw(found[0], options.side).save(data, options.output.suffix[1:], quality=88, method=6)
        write_atomically(options.output, data.getvalue(), force=True)
    except HvqcgicError as error:
        print(f"draw_worst_picture: {one_line([error])}", file=sys.stderr)
        return 2
    print("\n".join(map(str, found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
