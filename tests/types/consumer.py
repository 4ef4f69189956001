"""A program that uses the package as others do; pyright reads it in strict mode, and it runs."""

import io
import pickle
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import hvqcgic
import hvqcgic.pillow
from hvqcgic import BitstreamError, Codec
from hvqcgic.bitstream import Header, unpack
from hvqcgic.codec import Compressed, load
from hvqcgic.coder import Encoded, Preview
from hvqcgic.errors import (
    ConfigError,
    HvqcgicError,
    KindError,
    ModelMismatch,
    PictureError,
    PictureWarning,
    Truncated,
    UnknownOption,
    Unreachable,
)
from hvqcgic.rate_control import OperatingPoint, Region, allocate, ratios


def sources(pixels: NDArray[np.uint8], folder: Path) -> list[bytes]:
    """The same picture in every kind that `compress` takes."""
    codec = hvqcgic.load("tiny", device="cpu", tile=1024)
    path = folder / "x.png"
    Image.fromarray(pixels).save(path)
    content = path.read_bytes()
    floats: NDArray[np.float32] = pixels.astype(np.float32) / 255
    tensor = torch.tensor(pixels).permute(2, 0, 1)
    with path.open("rb") as file, Image.open(path) as image:
        return [
            codec.compress(str(path)),
            codec.compress(path),
            codec.compress(content),
            codec.compress(bytearray(content)),
            codec.compress(memoryview(content)),
            codec.compress(io.BytesIO(content)),
            codec.compress(file),
            codec.compress(image),
            codec.compress(pixels),
            codec.compress(floats),
            codec.compress(tensor),
        ]


def options(codec: Codec, path: Path) -> list[bytes]:
    """Every option of `compress`."""
    return [
        codec.compress(path, ratios=(0.5, 0.4, 0.1), eta=0.1, coding="static-huffman"),
        codec.compress(path, ratios=ratios(0.3)),
        codec.compress(path, bpp=0.25, eta="auto", clamp=True),
        codec.compress(path, max_bytes=1200, roi=[Region(0, 0, 16, 16, weight=3.0)], granularity="rd"),
        codec.compress(path, target="psnr=20", path="published", clamp=True),
        codec.compress(path, quality=60, metadata="keep", refine=0),
        codec.compress(path, quality=7.5),
        codec.compress(path, bpp=None, ratios=None),
    ]


def ways_back(codec: Codec, data: bytes, folder: Path) -> list[Image.Image]:
    """Every way to a picture."""
    path = folder / "x.hvq"
    path.write_bytes(data)
    seen: Preview = codec.preview(data, max_passes=1, partial=True)
    print(seen.passes, seen.checked)
    with path.open("rb") as file:
        return [
            codec.decompress(data),
            codec.decompress(str(path)),
            codec.decompress(path),
            codec.decompress(bytearray(data)),
            codec.decompress(memoryview(data)),
            codec.decompress(io.BytesIO(data)),
            codec.decompress(file, steps=1, randomness=0.5, seed=3),
            codec.decompress(data, max_passes=2, partial=True, max_pixels=1 << 20),
            codec.reverse(data, steps=1),
            seen.picture,
        ]


def more(codec: Codec, path: Path) -> None:
    """Operating points, integers, budgets, headers, threads, pickles."""
    found: Compressed = codec.compress_at(path, OperatingPoint(bpp=0.3, clamp=True))
    data: bytes = found.written.data
    bits: float = found.written.estimated_bits
    place: float | None = found.reached.place
    encoded: Encoded = codec.encode(path, quality=60)
    header: Header = unpack(data).header
    shares: tuple[float, float, float] = header.ratios
    sizes: list[int] = allocate([path, path], codec=codec, total_bytes=4000)
    print(bits, place, encoded.width, shares, sizes, codec.name, codec.fingerprint.hex(), codec.device)
    again: Codec = pickle.loads(pickle.dumps(codec))
    with ThreadPoolExecutor(2) as pool:
        pictures = list(pool.map(again.decompress, [data, data]))
    print([picture.size for picture in pictures], codec.for_file(data).name)


def refusals(codec: Codec, path: Path) -> list[str]:
    """Every kind of error, by its class."""
    said: list[str] = []
    try:
        codec.decompress(path.read_bytes())
    except (Truncated, ModelMismatch) as error:
        said.append(str(error))
    except BitstreamError as error:
        said.append(str(error))
    try:
        codec.compress(path, max_bytes=1)
    except Unreachable as error:
        said.append(str(error))
    try:
        codec.compress(path, quality=101)
    except UnknownOption:
        raise
    except ConfigError as error:
        said.append(str(error))
    try:
        codec.compress(path.with_name("missing.png"))
    except PictureError as error:
        said.append(str(error))
    try:
        codec.compress(np.zeros((2, 2, 2, 2), np.uint8))
    except KindError as error:
        said.append(str(error))
    try:
        load("enormous")
    except HvqcgicError as error:
        said.append(str(error))
    return said


def in_pillow(path: Path) -> tuple[int, int]:
    """Pillow's own calls, and the model of a file."""
    hvqcgic.pillow.use_model("tiny", device="cpu")
    target = path.with_suffix(".hvq")
    with Image.open(path) as image:
        image.save(target, model="tiny", quality=60, dpi=(72, 72))
    with Image.open(target) as image:
        assert isinstance(image, hvqcgic.pillow.HvqImageFile)
        print(hvqcgic.pillow.FORMAT, hvqcgic.pillow.MIME_TYPE, image.info["ratios"])
        return image.convert("RGB").size


def main(folder: Path) -> int:
    """Use everything once."""
    warnings.simplefilter("error", PictureWarning)
    pixels = np.tile(np.arange(0, 192, 2, dtype=np.uint8)[:, None, None], (1, 112, 3))
    files = sources(pixels, folder)
    assert len(set(files)) == 1, [len(data) for data in files]
    path, codec = folder / "x.png", load()
    print([len(data) for data in options(codec, path)])
    print([picture.size for picture in ways_back(codec, files[0], folder)])
    more(codec, path)
    print("\n".join(refusals(codec, path)))
    print(in_pillow(path), hvqcgic.__version__)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
