"""Draws the diagrams of the manual: SVG files in docs/images, from this source alone.

    python tools/draw_manual.py [--out docs/images]

Strokes and words have mid greys and the colours of `hvqcgic.pictures`, so that they are readable on light and dark
paper. Exit codes: 0 done; 2 the folder cannot be written.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from svg_drawing import BLUE, GREEN, INK, ORANGE, PALE, VIOLET, Drawing

from hvqcgic.bitstream import CELL_PX, Pass, parse_schedule
from hvqcgic.errors import HvqcgicError
from hvqcgic.files import one_line, write_atomically

CELLS = ("CCM", "CXF", "MFX")
"""Squares of 16 px: coarse, medium cells, fine cells, or two quarters of each."""


def cells() -> Drawing:
    """Cells of three sizes over a picture, and one index for each."""
    out = Drawing(640, 262, "A picture in cells of 16, 8 and 4 px; each cell is one index of the codebook")
    for row, kinds in enumerate(CELLS):
        for column, kind in enumerate(kinds):
            draw_square(out, 20 + 64 * column, 30 + 64 * row, kind)
    out.text(116, 20, "granularity map")
    sizes = (("coarse: 16 × 16 px, 1 index", BLUE), ("medium: 8 × 8 px", INK), ("fine: 4 × 4 px", ORANGE))
    for row, (words, colour) in enumerate(sizes):
        out.box(250, 48 + 34 * row, 16, 16, colour=colour, fill=f"{colour}33")
        out.text(276, 61 + 34 * row, words + (", 1 index each" if row else ""), anchor="start", colour=colour)
    out.arrow((250, 172), (320, 172))
    out.text(285, 163, "nearest code", size=11)
    for number in range(5):
        out.box(332, 142 + 14 * number, 84, 14, fill=PALE)
    out.text(374, 232, "codebook: K codes\nof d numbers")
    out.arrow((424, 172), (490, 172))
    out.text(457, 163, "number", size=11)
    out.text(496, 177, "17  4  4  301  88  …", anchor="start", size=13, bold=True)
    out.text(496, 199, "one index for each cell", anchor="start", size=11)
    return out


def draw_square(out: Drawing, x: float, y: float, kind: str) -> None:
    """One square of 16 px, drawn with a side of 64."""
    if kind == "C":
        out.box(x, y, 64, 64, colour=BLUE, fill=f"{BLUE}33")
        return
    for quarter in range(4):
        left, top = x + quarter % 2 * 32, y + quarter // 2 * 32
        if kind == "M" or (kind == "X" and quarter in (0, 3)):
            out.box(left, top, 32, 32, fill=PALE)
            continue
        for part in range(4):
            out.box(left + part % 2 * 16, top + part // 2 * 16, 16, 16, colour=ORANGE, fill=f"{ORANGE}33")


BOXES = (
    (10, 40, 84, 44, "picture", INK),
    (122, 40, 96, 44, "encoder\ng_a", BLUE),
    (246, 40, 112, 44, "features y\nat H/16, H/8, H/4", INK),
    (386, 40, 96, 44, "quantiser\n(codebook)", BLUE),
    (510, 40, 84, 44, "indices", ORANGE),
    (622, 40, 124, 44, "range coder", GREEN),
    (10, 130, 84, 44, "information\ndensity", INK),
    (122, 130, 96, 44, "granularity\nmap", ORANGE),
    (246, 130, 112, 44, "hyper-analysis\nh_a", BLUE),
    (386, 130, 96, 44, "hyper-\nlatents z", ORANGE),
    (510, 122, 84, 60, "entropy\nmodel in\nintegers", VIOLET),
)
ARROWS = (
    *(((x, 62), (x + 28, 62)) for x in (94, 218, 358, 482, 594)),
    *(((x, 152), (x + 28, 152)) for x in (94, 358, 482)),
    ((52, 84), (52, 130)),
    ((302, 84), (302, 130)),
    ((594, 144), (684, 144), (684, 84)),
)


def pipeline() -> Drawing:
    """From a picture to bytes and back."""
    out = Drawing(760, 268, "Picture, encoder, quantiser, indices, range coder, file; and the way back to a picture")
    for x, y, width, height, words, colour in BOXES:
        out.labelled(x, y, width, height, words, colour=colour)
    for points in ARROWS:
        out.arrow(*points)
    out.text(640, 138, "probabilities", size=11)
    out.arrow((552, 84), (552, 122), dashed=True)
    out.text(612, 110, "passes before", size=11)
    out.arrow((170, 174), (170, 200), (552, 200), (552, 182), dashed=True)
    out.text(360, 194, "map", size=11)
    words = (
        "In a file: map, z and indices (orange). The decoder runs the entropy model (violet) with the same integers,\n"
        "reads the indices, and draws the picture from their codes (g_s). A model without hyperpriors has no z."
    )
    out.text(10, 228, words, anchor="start")
    return out


CODES = ((70, 60), (120, 150), (160, 92), (215, 120), (250, 58), (190, 176), (98, 108), (272, 160))
"""Places of eight codes in the drawing."""
MEAN, SIGMA = (186, 112), (52, 30)


def mahalanobis() -> Drawing:
    """Codes, a predicted Gaussian, and the probabilities that follow."""
    out = Drawing(640, 236, "A Gaussian in the space of the codes; near codes are probable")
    out.box(20, 24, 290, 184)
    out.text(165, 17, "embedding space of codes")
    for scale, alpha in ((2.1, "18"), (1.4, "28"), (0.7, "44")):
        out.ellipse(*MEAN, SIGMA[0] * scale, SIGMA[1] * scale, colour=VIOLET, fill=f"{VIOLET}{alpha}")
    out.text(186, 117, "+", colour=VIOLET, size=16, bold=True)
    out.text(172, 110, "μ", colour=VIOLET, size=13, bold=True)
    distances = [((x - MEAN[0]) / SIGMA[0]) ** 2 + ((y - MEAN[1]) / SIGMA[1]) ** 2 for x, y in CODES]
    shares = [math.exp(-distance / 2) for distance in distances]
    for number, ((x, y), share) in enumerate(zip(CODES, shares, strict=True)):
        out.ellipse(x, y, 4, 4, colour=ORANGE, fill=ORANGE)
        out.text(x + 8, y - 5, f"{number}", size=11, anchor="start", colour=ORANGE)
        height = 300 * share / sum(shares)
        out.tile(384 + 30 * number, 186 - height, 20, height, colour=ORANGE, fill=ORANGE)
        out.text(394 + 30 * number, 202, f"{number}", size=11)
    out.text(165, 226, "context network: μ and σ for each cell", colour=VIOLET)
    out.arrow((320, 116), (366, 116))
    out.text(343, 106, "softmax", size=11)
    out.text(500, 17, "probabilities of the codes for one cell")
    out.text(500, 226, "integers for the range coder")
    return out


SCHEDULE = ("coarse", "medium/0", "medium/1", "fine/0", "fine/1", "fine/2", "fine/3")


def passes() -> Drawing:
    """The seven passes of a schedule on one square of 32 px."""
    out = Drawing(720, 220, "Seven passes: coarse, two of medium cells, four of fine cells")
    colours = {"coarse": BLUE, "medium": INK, "fine": ORANGE}
    for number, step in enumerate(parse_schedule(SCHEDULE)):
        x, colour = 16 + 100 * number, colours[step.granularity]
        draw_pass(out, x, step, colour)
        out.text(x + 42, 30, step.name, colour=colour)
        if number:
            out.arrow((x - 14, 82), (x - 3, 82))
    out.tile(16, 146, 14, 14, colour=INK, fill=INK)
    out.text(38, 158, "coded in this pass, independently of each other", anchor="start")
    out.tile(16, 170, 14, 14, colour=INK, fill=f"{INK}40")
    out.text(38, 182, "known: a pass before, context of this one", anchor="start")
    words = "Codes of larger cells are known in all later passes, too. Positions without such a cell are left out."
    out.text(16, 208, words, anchor="start")
    return out


def draw_pass(out: Drawing, x: float, step: Pass, colour: str) -> None:
    """The cells of a pass, and of those before it, on a square with a side of 84."""
    count = 32 // CELL_PX[step.granularity]
    side = 84 / count
    before = [replace(step, phase=phase) for phase in range(step.phase)]
    for row in range(count):
        for column in range(count):
            known = any(each.tile[row % 2][column % 2] for each in before)
            fill = colour if step.tile[row % 2][column % 2] else f"{colour}40" if known else "none"
            out.tile(x + column * side, 40 + row * side, side, side, colour=colour, fill=fill)


HEADER = (
    ("HVQ", 46, "3"),
    ("ver.", 40, "1"),
    ("fingerprint", 92, "8"),
    ("flags", 48, "1"),
    ("width", 52, "varint"),
    ("height", 54, "varint"),
    ("n_coarse", 70, "varint"),
    ("n_medium", 74, "varint"),
)
CHECKSUM = ("CRC-32", 70, INK)
BEHIND = {
    ("version 1", "adaptive"): (("map · hyper-latents · indices, one range-coded stream", 420, GREEN), CHECKSUM),
    ("version 1", "static-huffman"): (
        *(("length", 56, BLUE), ("raw map", 100, GREEN), ("Huffman words", 264, GREEN)),
        CHECKSUM,
    ),
    ("version 2", "adaptive"): (
        *(("length", 56, BLUE), ("range-coded stream", 204, GREEN)),
        *(("tag", 34, VIOLET), ("length", 56, VIOLET), ("bytes", 70, VIOLET)),
        CHECKSUM,
    ),
}


def container() -> Drawing:
    """The bytes of the two format versions."""
    out = Drawing(720, 222, "Header, sections, tagged sections and checksum of a file")
    out.text(16, 18, "header, with the bytes of each field", anchor="start", size=11)
    x = 16
    for name, width, size in HEADER:
        out.labelled(x, 28, width, 34, name, colour=BLUE)
        out.text(x + width / 2, 76, size, size=11)
        x += width
    for row, ((version, mode), boxes) in enumerate(BEHIND.items()):
        y, x = 104 + 44 * row, 190
        out.text(16, y + 4, f"after the header, {version}:", anchor="start", size=11)
        out.text(16, y + 18, mode, anchor="start", size=11, bold=True)
        for name, width, colour in boxes:
            out.labelled(x, y - 12, width, 34, name, colour=colour)
            x += width
    return out


DRAWINGS: dict[str, Callable[[], Drawing]] = {
    "cells": cells,
    "pipeline": pipeline,
    "mahalanobis": mahalanobis,
    "passes": passes,
    "container": container,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; exit code: see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder of the drawings (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        for name, draw in DRAWINGS.items():
            write_atomically(options.out / f"{name}.svg", draw().svg().encode(), force=True)
    except HvqcgicError as error:
        print(f"draw_manual: {one_line([error])}", file=sys.stderr)
        return 2
    print("\n".join(str(options.out / f"{name}.svg") for name in DRAWINGS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
