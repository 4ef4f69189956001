"""Features of frozen picture networks, computed once for each training picture and stored on disk.

DIR/BACKBONE/PICTURE.safetensors is an entry: `picture` (3, H, W) uint8 and `coarse`, `medium`, `fine` (d, h_g, w_g)
float32, H and W multiples of 16. BACKBONE is a hash of weights, codebook and configuration of the picture networks.
PICTURE is a hash of the pixels. Entries of another backbone are therefore never found. The granularity map, of any
ratios and either selection, is computed from the stored picture when it is needed. Windows are read from the files,
which safetensors maps into memory; this module holds no features.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor

from hvqcgic.bitstream import GRANULARITIES
from hvqcgic.errors import ConfigError, OutputError, OutputExists
from hvqcgic.files import one_line, reason, write_atomically
from hvqcgic.models import PictureModel

FORMAT = 1
CELL_PX = 16
PART_PX = 1024
"""Larger pictures are cut into parts of at most this side, because attention costs the square of the pixels."""

STRIDES_PX = {"picture": 1, "fine": 4, "medium": 8, "coarse": 16}

_NO_BACKBONE = (
    *("analysis.", "synthesis.", "means_synthesis.", "context.", "prior."),
    *("quantiser.usage", "quantiser.cluster_", "quantiser.initialised"),
)
"""Parts of a model that do not affect the features: entropy networks, and running statistics of the codes."""

_NO_BACKBONE_CONFIG = ("name", "default_ratios", "entropy", "entropy_sigma", "selection")


@dataclass(frozen=True)
class Entry:
    """A picture in a cache.

    Attributes:
        path: of its file.
        rows: height in cells of 16 px.
        columns: width in cells of 16 px.
    """

    path: Path
    rows: int
    columns: int

    def window(self, row: int, column: int, cells: int) -> dict[str, NDArray[np.generic]]:
        """Read picture and features of a square window, by the names of STRIDES_PX, (channels, side, side) each.

        Args:
            row: row of its top left cell of 16 px.
            column: column of that cell.
            cells: side of the window in cells of 16 px.
        Raises:
            ConfigError: the file is missing, or cannot be read any more.
        """
        found = {}
        try:
            with safe_open(self.path, "np") as file:
                for name, stride in STRIDES_PX.items():
                    top, left, side = (count * CELL_PX // stride for count in (row, column, cells))
                    found[name] = file.get_slice(name)[:, top : top + side, left : left + side]
        except (SafetensorError, OSError) as error:
            raise ConfigError(
                f"{self.path}: the cached features cannot be read ({one_line([reason(error)])}); "
                "start again: what is damaged is computed anew"
            ) from error
        return found


class FeatureCache:
    """Entries of one backbone.

    Attributes:
        folder: of the entries.
        computed: number of new entries.
        repaired: number of damaged entries that were computed again.
        read: number of existing entries.
    """

    def __init__(self, folder: Path, model: PictureModel) -> None:
        """Args: folder: of the cache, for any number of backbones; model: on the device that computes the features.

        Raises:
            OutputError: as in `check_folder`.
        """
        check_folder(folder)
        self.folder = folder / backbone_fingerprint(model)
        self._model = model
        self.computed = self.repaired = self.read = 0

    def entry(self, picture: NDArray[np.uint8]) -> Entry:
        """Return the entry of a picture; compute it if it is missing or damaged.

        Args:
            picture: (H, W, 3); H and W multiples of 16, at most about PART_PX.
        Raises:
            OutputError: the entry cannot be written.
        """
        key = hashlib.sha256(f"{picture.shape}".encode() + np.ascontiguousarray(picture).tobytes()).hexdigest()[:32]
        path = self.folder / f"{key}.safetensors"
        found = Entry(path, picture.shape[0] // CELL_PX, picture.shape[1] // CELL_PX)
        there = path.exists()
        if there and is_whole(path):
            self.read += 1
            return found
        tensors = self._compute(picture)
        # Another training may have written the same entry meanwhile; the two entries are equal.
        with suppress(OutputExists):
            write_atomically(path, save(tensors, {"digest": digest(key, tensors)}), force=True)
        self.repaired += there
        self.computed += not there
        return found

    @torch.no_grad()
    def _compute(self, picture: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
        device = next(self._model.encoder.parameters()).device
        pixels = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
        features: dict[str, Tensor] = self._model.features(pixels.to(device)[None].to(torch.float32) / 255)
        stored = {g: features[g][0].to(torch.float32).contiguous().cpu().numpy() for g in GRANULARITIES}
        return stored | {"picture": pixels.numpy()}


def check_folder(folder: Path) -> None:
    """Create the folder of a cache if it is missing, and test that it can be written.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"{folder}: features cannot be kept there: {reason(error)}; name another --cache, or leave it out"
        ) from error


def backbone_fingerprint(model: PictureModel) -> str:
    """16 hexadecimal digits over everything that affects the features: configuration, names, shapes and numbers.

    Args:
        model: its entropy networks, usage counts, name, ratios and selection are ignored.
    """
    config = {name: value for name, value in model.config.to_dict().items() if name not in _NO_BACKBONE_CONFIG}
    found = hashlib.sha256(json.dumps([FORMAT, config], sort_keys=True).encode())
    for name, value in sorted(model.state_dict().items()):
        if not name.startswith(_NO_BACKBONE):
            found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def is_whole(path: Path) -> bool:
    """Whether an entry is undamaged."""
    try:
        with safe_open(path, "np") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            stated = (file.metadata() or {}).get("digest")
    except (SafetensorError, OSError):
        return False
    return tensors.keys() == STRIDES_PX.keys() and stated == digest(path.stem, tensors)


def digest(key: str, tensors: dict[str, NDArray[np.generic]]) -> str:
    """Hash of an entry's content and of the picture's hash `key`, so that entries cannot be confused."""
    found = hashlib.sha256(key.encode())
    for name, values in sorted(tensors.items()):
        found.update(f"{name} {values.dtype.str} {values.shape}".encode())
        found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()


def parts_of(picture: NDArray[np.uint8], least_px: int) -> Iterator[NDArray[np.uint8]]:
    """Split a picture into entries: the whole picture, or parts of equal size if it exceeds PART_PX.

    Sides grow to multiples of 16, and to `least_px`, by repeating the last column or row.

    Args:
        picture: (H, W, 3).
        least_px: smallest side of a part, a multiple of 16.
    """
    height, width = picture.shape[:2]
    rows, columns = _part_px(height, least_px), _part_px(width, least_px)
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            part = picture[top : top + rows, left : left + columns]
            below, right = (max(-side % CELL_PX, least_px - side) for side in part.shape[:2])
            yield np.pad(part, ((0, below), (0, right), (0, 0)), mode="edge")


def _part_px(side_px: int, least_px: int) -> int:
    """Side of the parts that a side is cut into, a multiple of 16."""
    count = -(-side_px // max(PART_PX, 2 * least_px))
    return -(-side_px // (count * CELL_PX)) * CELL_PX
