"""The pictures of a run: distinct names, and originals stored as PNG."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hvqcgic.errors import PictureError
from hvqcgic.evaluation.results import original_path, row_path
from hvqcgic.files import reason, write_atomically
from hvqcgic.pictures import read_picture
from hvqcgic.schema import parse_json

_ORIGINAL = "original"


@dataclass(frozen=True)
class Source:
    """A picture of the run.

    Attributes:
        name: unique in the run.
        path: the file it was read from.
        sha256: of its file.
        width: width in pixels of the upright picture; 0 for a picture that cannot be read.
        height: height in pixels of the upright picture; 0 for a picture that cannot be read.
        problem: why it cannot be read, else "".
    """

    name: str
    path: str
    sha256: str
    width: int
    height: int
    problem: str = ""


def picture_names(paths: Sequence[Path]) -> dict[str, Path]:
    """Return a short, unique name for each path: the file name without suffix, and parent folders where needed."""
    full = {path: path.absolute().as_posix() for path in paths}
    short = {path: str(Path(name).with_suffix("")) for path, name in full.items()}
    if len(set(short.values())) < len(short):
        short = full
    names: dict[str, Path] = {}
    for path in paths:
        parts = short[path].strip("/").split("/")
        others = [short[other].strip("/").split("/") for other in paths if other != path]
        count = next(n for n in range(1, len(parts) + 1) if all(parts[-n:] != other[-n:] for other in others))
        names["/".join(parts[-count:])] = path
    return names


def prepare(folder: Path, name: str, path: Path) -> Source:
    """Read a picture and write it as PNG into the run's folder, unless an earlier run has done so.

    Args:
        folder: of the run.
        name: of the picture in the run.
        path: of the picture.
    Raises:
        OutputError: the run's folder cannot be written.
    """
    note, original = row_path(folder, _ORIGINAL, "", name), original_path(folder, name)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        known = _read_note(note)
        if known is not None and known.sha256 == digest and known.path == str(path) and original.is_file():
            return known
        pixels = read_picture(path)
    except (OSError, PictureError) as error:
        text = str(error) if isinstance(error, PictureError) else f"{path}: cannot be read: {reason(error)}"
        return Source(name, str(path), "", 0, 0, text)
    write_png(original, pixels)
    found = Source(name, str(path), digest, pixels.shape[1], pixels.shape[0])
    write_atomically(note, json.dumps(asdict(found)).encode(), force=True)
    return found


def write_png(path: Path, picture: NDArray[np.uint8] | Image.Image) -> None:
    """Write a picture without loss.

    Raises:
        OutputError: it cannot be written.
    """
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=4)
    write_atomically(path, buffer.getvalue(), force=True)


def read_png(path: Path) -> NDArray[np.uint8]:
    """Read a picture that `write_png` wrote, (H, W, 3)."""
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def _read_note(path: Path) -> Source | None:
    try:
        return Source(**parse_json(path.read_bytes(), str(path)))
    except (OSError, ValueError, TypeError):
        return None
