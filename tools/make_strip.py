"""Draws the strip of the README: one picture, and what JPEG, AVIF and a model make of it with equally many bytes.

    python tools/make_strip.py [PICTURE] [--model tiny] [--bpp 0.15] -o docs/images/strip.webp

The model codes the picture at the bit rate. JPEG and AVIF get the lowest quality whose file is not smaller than the
model's, so that they never have fewer bytes. Without PICTURE, the tool draws `chelsea.png` of scikit-image, a
photograph by Stéfan van der Walt (CC0). A window of the picture is drawn, pixel by pixel, with the bytes of each whole
file below. Prints a line for each file. Exit codes: 0 done; 2 a model, picture or output that cannot be used.
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
from PIL import Image, ImageDraw, ImageFont

from hvqcgic.codec import load
from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.evaluation.codecs import all_codecs
from hvqcgic.files import one_line, write_atomically
from hvqcgic.pictures import read_picture

GAP_PX, LABEL_PX, FONT_PX = 6, 30, 17
PAPER, INK = "white", "black"

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Panel:
    """One picture of the strip, (H, W, 3) uint8, and the words below it."""

    pixels: Pixels
    label: str


def at_least(name: str, picture: Pixels, n_bytes: int) -> Panel:
    """Code a picture with one of the evaluator's codecs, at its lowest quality with a file of `n_bytes` or more.

    Raises:
        ConfigError: the file of the highest quality is smaller.
    """
    kind = all_codecs()[name]
    for quality in range(int(kind.parameter.low), int(kind.parameter.high) + 1):
        codec = kind("", str(quality))
        data = codec.encode(picture)
        if len(data) >= n_bytes:
            return Panel(codec.decode(data), f"{name.upper()}: {len(data):,} bytes")
    raise ConfigError(f"{name} has no file of {n_bytes} bytes or more for this picture; use a lower --bpp")


def panels(picture: Pixels, model: str, bpp: float) -> list[Panel]:
    """The original, JPEG, AVIF, and the model."""
    codec = load(model, device="cpu")
    data = codec.compress(picture, bpp=bpp)
    height, width = picture.shape[:2]
    own = Panel(np.asarray(codec.decompress(data)), f"hvqcgic: {len(data):,} bytes")
    original = Panel(picture, f"original: {3 * height * width:,} bytes")
    return [original, *(at_least(name, picture, len(data)) for name in ("jpeg", "avif")), own]


def draw(found: Sequence[Panel], window: tuple[int, int, int, int]) -> Image.Image:
    """Draw a window (left, top, width, height) of each panel, with its label below."""
    left, top, width, height = window
    sheet = Image.new("RGB", (len(found) * (width + GAP_PX) - GAP_PX, height + LABEL_PX), PAPER)
    words, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_PX)
    for place, panel in enumerate(found):
        x = place * (width + GAP_PX)
        sheet.paste(Image.fromarray(panel.pixels[top : top + height, left : left + width]), (x, 0))
        words.text((x + width / 2, height + LABEL_PX / 2), panel.label, fill=INK, font=font, anchor="mm")
    return sheet


def _window(text: str) -> tuple[int, int, int, int]:
    left, top, width, height = map(int, text.split(","))
    return left, top, width, height


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; exit code: see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", type=Path, help="a picture file (chelsea.png of scikit-image)")
    parser.add_argument("--model", default="tiny", help="a bundled model or a model file (%(default)s)")
    parser.add_argument("--bpp", type=float, default=0.15, help="bits per pixel of the model's file (%(default)s)")
    parser.add_argument("--window", type=_window, default=(85, 0, 280, 280), metavar="X,Y,W,H", help="in pixels")
    parser.add_argument("-o", "--output", type=Path, required=True, help=".webp or .png")
    options = parser.parse_args(arguments)
    path = options.picture or Path(str(resources.files("skimage") / "data/chelsea.png"))
    try:
        found = panels(read_picture(path), options.model, options.bpp)
        data = io.BytesIO()
        draw(found, options.window).save(data, options.output.suffix[1:], quality=90, method=6)
        write_atomically(options.output, data.getvalue(), force=True)
    except HvqcgicError as error:
        print(f"make_strip: {one_line([error])}", file=sys.stderr)
        return 2
    print("\n".join(panel.label for panel in found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
