"""What tools/fuzz.py changes and reads: streams, model files, checkpoints, shards and pictures."""

from __future__ import annotations

import io
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import numpy as np
import torch
from fuzz_models import small_config, small_model, small_picture
from fuzz_mutations import change_bytes, change_tensors, change_text, change_value
from PIL import Image

from hvqcgic.bitstream import MODES, read_fingerprint
from hvqcgic.codec import Codec
from hvqcgic.pictures import Member, list_pictures, pack_tar, parse_index, read_members, read_picture
from hvqcgic.training import TrainingConfig
from hvqcgic.training.export import load_module
from hvqcgic.training.module import HvqModule
from hvqcgic.training.starts import start_facts

CPU = torch.device("cpu")
MOST_PIXELS = 1 << 14
"""Largest picture that a changed stream or picture may be, so that an input takes milliseconds."""
RECOMPUTED = 0.95
"""Share of the inputs whose checksums and fingerprints are made to fit, so that what is behind them is reached."""


CONFIGS: tuple[dict[str, bool], ...] = ({}, {"hyperpriors": True, "decoder_prior": True}, {"means": True})
"""Options of `small_config`."""


class Kind(ABC):
    """A kind of input: how one is made, and what reads it."""

    name: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        """Args: folder: for the files that are read."""
        self.folder = folder

    @abstractmethod
    def change(self, random: Random) -> bytes:
        """A changed input."""

    @abstractmethod
    def read(self, data: bytes) -> None:
        """Read an input to its end; may raise `HvqcgicError`."""


class Streams(Kind):
    """Streams of models in every coding mode, with and without tagged sections."""

    name = "streams"
    modes: ClassVar[Sequence[str]] = MODES

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.codecs: dict[bytes, Codec] = {}
        self.seeds: list[bytes] = []
        for codec in self.make_codecs():
            self.codecs[codec.fingerprint] = codec
            for coding in self.modes:
                for width, height in ((1, 1), (40, 21)):
                    picture = Image.fromarray(small_picture(Random(width), width, height))
                    self.seeds.append(codec.compress(picture, coding=coding))
                    picture.info["dpi"] = (72, 72)
                    self.seeds.append(codec.compress(picture, coding=coding, metadata="keep"))

    def make_codecs(self) -> Iterator[Codec]:
        """A codec for each form of model."""
        for options in CONFIGS:
            yield Codec(small_model(small_config(**options)), CPU)

    def change(self, random: Random) -> bytes:
        """See `Kind`."""
        data = change_bytes(random, random.choice(self.seeds)[:-4], self.seeds)
        return data + zlib.crc32(data).to_bytes(4, "little") if random.random() < RECOMPUTED else data

    def read(self, data: bytes) -> None:
        """See `Kind`."""
        codec = self.codecs.get(read_fingerprint(data), next(iter(self.codecs.values())))
        partial = len(data) % 5 == 0
        codec.decompress(data, partial=partial, max_pixels=MOST_PIXELS)


class Files(Kind):
    """A kind that is read from a file."""

    suffix: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = self.folder / f"input{self.suffix}"

    def read(self, data: bytes) -> None:
        """See `Kind`."""
        self.path.write_bytes(data)
        self.read_file()

    @abstractmethod
    def read_file(self) -> None:
        """Read `path`."""


class Checkpoints(Files):
    """Checkpoints of a training: settings, weights, and the file itself."""

    name, suffix = "checkpoints", ".ckpt"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        module = HvqModule(small_config(), TrainingConfig(), "joint", None)
        self.content: dict[str, Any] = {
            "state_dict": dict(module.state_dict()),
            "hyper_parameters": dict(module.hparams),
            "step_index": 3,
        }

    def change(self, random: Random) -> bytes:
        """See `Kind`."""
        content, part = dict(self.content), random.random()
        if part < 0.6:
            content["hyper_parameters"] = change_value(random, content["hyper_parameters"])
        elif part < 0.8:
            arrays = {name: value.numpy() for name, value in content["state_dict"].items()}
            changed = change_tensors(random, arrays)
            content["state_dict"] = {n: torch.from_numpy(np.ascontiguousarray(a)) for n, a in changed.items()}
        elif part < 0.9:
            content = change_value(random, content)
        data = io.BytesIO()
        torch.save(content, data)
        return data.getvalue() if part < 0.9 else change_bytes(random, data.getvalue(), [data.getvalue()])

    def read_file(self) -> None:
        """See `Files`."""
        start_facts(self.path)
        load_module(self.path)


class Shards(Files):
    """Tar files of pictures, and their indexes."""

    name, suffix = "shards", ".tar"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.seeds = [pack_tar([Member(f"{n}.png", picture_file("PNG", n)) for n in range(count)]) for count in (1, 3)]
        self.index = {"names": ["0.png", "1.png"], "n_bytes": 10240, "sha256": "0", "source": "", "skipped": {}}

    def change(self, random: Random) -> bytes:
        """See `Kind`."""
        if random.random() < 0.2:
            return b"{" + change_text(random, self.index).encode("utf-8", "replace")[1:]
        data = change_bytes(random, random.choice(self.seeds), self.seeds)
        head = bytearray(data[:512])
        if random.random() < RECOMPUTED and len(head) == 512:
            head[148:156] = b" " * 8
            head[148:156] = b"%06o\0 " % (sum(head) & 0o777777)
        return bytes(head) + data[512:]

    def read_file(self) -> None:
        """See `Files`."""
        if self.path.read_bytes().startswith(b"{"):
            parse_index(self.path.read_bytes(), "index")
        list_pictures(str(self.path))
        for member in read_members(str(self.path)):
            read_small(member.data)


FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "ICO", "JPEG2000")


def picture_file(kind: str, seed: int = 0) -> bytes:
    """A picture file of a format of Pillow, with metadata where the format has them."""
    data = io.BytesIO()
    image = Image.fromarray(small_picture(Random(seed), 24, 17))
    exif = Image.Exif()
    exif[0x0112] = 6
    options: dict[str, Any] = {"exif": exif.tobytes()} if kind in ("PNG", "JPEG", "WEBP", "TIFF") else {}
    image.save(data, kind, **options)
    return data.getvalue()


class Pictures(Kind):
    """Picture files of ten formats."""

    name = "pictures"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.seeds = [picture_file(kind) for kind in FORMATS]

    def change(self, random: Random) -> bytes:
        """See `Kind`."""
        data = change_bytes(random, random.choice(self.seeds), self.seeds)
        return with_png_checksums(data) if random.random() < RECOMPUTED else data

    def read(self, data: bytes) -> None:
        """See `Kind`."""
        read_small(data)


def read_small(data: bytes) -> None:
    """Read a picture of MOST_PIXELS at most; the limit of commands is half a gigapixel, which takes long."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MOST_PIXELS
    try:
        read_picture(data)
    finally:
        Image.MAX_IMAGE_PIXELS = before


def with_png_checksums(data: bytes) -> bytes:
    """The checksums of a PNG file's chunks recomputed; other files as they are."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    found, place = bytearray(data), 8
    while place + 12 <= len(found):
        end = place + 8 + int.from_bytes(found[place : place + 4], "big")
        if end + 4 > len(found):
            break
        found[end : end + 4] = zlib.crc32(found[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(found)
