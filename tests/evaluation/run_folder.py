"""A small run as an evaluation leaves it: real files of JPEG and WebP of two pictures, with PSNR as their metric."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hvqcgic.evaluation.results import Row, Run, bits_path, decoded_path, map_path, original_path, write_rows, write_run

PICTURES = ("one", "two")
QUALITIES = (5, 20, 50, 80)
SIZE = (96, 64)


def scene(seed: int) -> Image.Image:
    """A picture with slopes, edges and some noise, SIZE."""
    generator = np.random.default_rng(seed)
    columns, rows = np.meshgrid(np.linspace(0, 1, SIZE[0]), np.linspace(0, 1, SIZE[1]))
    grey = 120 * columns + 80 * ((rows + seed / 3) % 0.4 > 0.2) + generator.normal(0, 8, columns.shape)
    return Image.fromarray(np.stack([grey, 255 - grey, 128 * rows + 60], -1).clip(0, 255).astype(np.uint8))


def save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def coded(picture: Image.Image, codec: str, quality: int) -> tuple[bytes, Image.Image]:
    buffer = io.BytesIO()
    picture.save(buffer, codec.upper(), quality=quality)
    return buffer.getvalue(), Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def psnr_db(picture: Image.Image, decoded: Image.Image) -> float:
    difference = np.asarray(picture, np.float64) - np.asarray(decoded, np.float64)
    return float(10 * np.log10(255**2 / np.square(difference).mean()))


def make_run(folder: Path, *, names: Sequence[str] = PICTURES, published: Sequence[str] = ()) -> list[Row]:
    """Write a run and give its rows; JPEG has overlays (of one colour each), WebP has none."""
    rows = []
    for seed, name in enumerate(names):
        picture = scene(seed)
        save(picture, original_path(folder, name))
        for codec in ("jpeg", "webp"):
            for quality in QUALITIES:
                data, decoded = coded(picture, codec, quality)
                point, bpp = f"quality={quality}", 8 * len(data) / (SIZE[0] * SIZE[1])
                parts = {"container": 8 * len(data) * 0.25, "fine": 8 * len(data) * 0.75}
                metrics = {"psnr_db": psnr_db(picture, decoded)}
                rows.append(Row(name, *SIZE, codec, point, len(data), bpp, 0.01, 0.02, parts=parts, metrics=metrics))
                save(decoded, decoded_path(folder, codec, point, name))
                if codec == "jpeg":
                    save(Image.new("RGB", SIZE, "red"), map_path(folder, codec, point, name))
                    save(Image.new("RGB", SIZE, "blue"), bits_path(folder, codec, point, name))
    write_rows(folder, rows)
    paths = {name: f"in/{name}.png" for name in names}
    notes = {"niqe": "left out: its parameters were not given"}
    write_run(folder, Run(("jpeg", "webp"), paths, {"threads": 1}, {"hvqcgic": "0"}, notes, published=tuple(published)))
    return rows
