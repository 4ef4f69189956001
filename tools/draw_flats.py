"""Draws pictures of even, saturated areas and smooth gradients, on which errors of colour are measured.

    python -m tools.draw_flats FOLDER [--count 12] [--seed 0]

Each picture, 384 x 256 pixels, has six areas in two rows: colours of one hue each, some of them gradients to another
lightness or to a neighbouring hue, with the grain of a camera (one grey level). Hues, from red to magenta, go around
the circle over the pictures; the same arguments draw the same pictures.
"""

from __future__ import annotations

import argparse
import colorsys
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROWS, COLUMNS, SIDE_PX = 2, 3, 128
GRAIN = 1.0


def main(arguments: list[str] | None = None) -> int:
    """Draws the pictures; exit code 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder to write to")
    parser.add_argument("--count", type=int, default=12, help="pictures (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of colours and grain (%(default)s)")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(options.seed)
    for number in range(options.count):
        picture = draw(number / options.count, generator)
        Image.fromarray(picture).save(options.folder / f"flat{number:02}.png")
    return 0


def draw(hue: float, generator: np.random.Generator) -> NDArray[np.uint8]:
    """A picture of six areas around a hue, (256, 384, 3) uint8.

    Args:
        hue: 0 to 1 around the circle; 0 is red.
        generator: of lightness, saturation, directions and grain.
    """
    rows = [np.concatenate([area(hue, generator) for _ in range(COLUMNS)], 1) for _ in range(ROWS)]
    values = np.concatenate(rows, 0)
    return np.clip(np.rint(values + generator.normal(0, GRAIN, values.shape)), 0, 255).astype(np.uint8)


def area(hue: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """An even area or a gradient, (128, 128, 3), grey levels."""
    start = _colour(hue, generator)
    end = _colour(hue + generator.choice([0.0, 0.08]), generator) if generator.random() < 0.5 else start
    angle = generator.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX] / (SIDE_PX - 1) - 0.5
    along = np.clip((x * np.cos(angle) + y * np.sin(angle)) / np.sqrt(2) + 0.5, 0, 1)[..., None]
    found: NDArray[np.float64] = start + (end - start) * along
    return found


def _colour(hue: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """A saturated colour of a hue, (3,), grey levels."""
    saturation, value = generator.uniform(0.5, 1), generator.uniform(0.35, 1)
    return 255 * np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), np.float64)


if __name__ == "__main__":
    sys.exit(main())
