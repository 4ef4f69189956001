"""What a picture can be given as: a path, bytes, a binary file, a Pillow image, a numpy array or a torch tensor.

A source becomes a Pillow image that is not read yet, or an array (H, W, 3) of uint8.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeGuard, Union

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from hvqcgic.bitstream import MAGIC, MAX_PIXELS
from hvqcgic.errors import KindError, PictureError
from hvqcgic.files import (
    MAX_PIPED_PICTURE_BYTES,
    STANDARD,
    check_readable_picture,
    is_pipe,
    name_of,
    read_bounded,
    read_piped_picture,
    reason,
)

if TYPE_CHECKING:
    import torch

PictureSource = Union[
    Image.Image, NDArray[Any], "torch.Tensor", str, os.PathLike[str], bytes, bytearray, memoryview, BinaryIO
]

TAKEN = (
    "a path, bytes, a binary file object, a PIL image, a numpy array (H, W), (H, W, 3) or (H, W, 4) of uint8, uint16 "
    "or floats from 0 to 1, or a torch tensor (3, H, W) of such numbers"
)
CHANNELS = (1, 3, 4)
"""Grey, RGB, and RGB with transparency."""


@contextmanager
def opened(source: PictureSource, name: str | None = None) -> Iterator[tuple[Image.Image | NDArray[np.uint8], str]]:
    """Open a picture; what was opened here is closed at the end.

    Args:
        source: the picture.
        name: of the picture in messages; None for its path or kind.

    Yields:
        an image whose pixels may not be read yet, or an array (H, W, 3) of uint8; and the name.

    Raises:
        KindError: the source is no picture of a kind that is taken.
        PictureError: it cannot be opened.
    """
    if isinstance(source, Image.Image):
        yield source, name or "picture"
    elif isinstance(source, np.ndarray):
        yield from_array(source), name or "array"
    elif is_tensor(source):
        yield from_tensor(source), name or "tensor"
    else:
        if name is None:
            name = str(source) if isinstance(source, str | os.PathLike) else "picture"
        with open_image(_file_of(source, name), name) as image:
            yield image, name


def _file_of(source: Any, name: str) -> Path | io.BytesIO:
    """A path of a regular file, or the content of all else, as Pillow opens it."""
    if isinstance(source, str | os.PathLike):
        path = Path(os.fsdecode(source))
        if path == STANDARD and name != name_of(STANDARD):
            path = path.absolute()  # only commands mean standard input
        if is_pipe(path):
            return io.BytesIO(read_piped_picture(path))
        check_readable_picture(path)
        return path
    data = content_of(source, MAX_PIPED_PICTURE_BYTES)
    if data is None:
        raise KindError(f"{type(source).__name__} is no picture that can be compressed: expected {TAKEN}")
    if not data:
        raise PictureError(f"{name}: is empty: 0 bytes")
    return io.BytesIO(data)


def content_of(source: Any, limit: int) -> bytes | None:
    """Bytes of a bytes-like object or of a binary file, read from its position on; None for any other object.

    Raises:
        KindError: it is a text file.
        PictureError: it cannot be read, or has more than `limit` bytes.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if not callable(getattr(source, "read", None)):
        return None
    if isinstance(source.read(0), str):
        raise KindError("the file object gives text; open the file in binary mode, 'rb'")
    try:
        data = read_bounded(source, limit)
    except (OSError, ValueError) as error:
        raise PictureError(f"the file object cannot be read: {reason(error)}") from error
    if data is None:
        raise PictureError(f"the file object gives more than {limit} bytes; give the path of a file")
    return data


def open_image(file: Path | io.BytesIO, name: str) -> Image.Image:
    """Open a picture file and read its header.

    Raises:
        PictureError: it is no picture, damaged, or too large.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns about sizes far below this project's own limit, which is checked next.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(file)
    except UnidentifiedImageError as error:
        raise PictureError(f"{name}: {_in_place_of_a_picture(file)}") from error
    except Image.DecompressionBombError as error:
        cure = "scale it down"
        if Image.MAX_IMAGE_PIXELS is not None and Image.MAX_IMAGE_PIXELS < MAX_PIXELS:
            cure = "scale it down, or raise PIL.Image.MAX_IMAGE_PIXELS where the file is trusted"
        raise PictureError(f"{name}: too many pixels ({reason(error)}); {cure}") from error
    except Exception as error:
        raise unreadable(name, error) from error


def _in_place_of_a_picture(file: Path | io.BytesIO) -> str:
    """What to say of a file that Pillow does not know."""
    with file.open("rb") if isinstance(file, Path) else io.BytesIO(file.getbuffer()[: len(MAGIC)]) as opened:
        start = opened.read(len(MAGIC))
    if start == MAGIC:
        return "a .hvq file, not a picture; `hvqcgic decompress` makes a picture of it"
    return "not a picture that Pillow can read"


def unreadable(name: str, error: Exception) -> PictureError:
    """The error for a file that Pillow cannot decode."""
    return PictureError(f"{name}: the picture cannot be read, it is damaged or cut short: {reason(error)}")


def is_tensor(source: object) -> TypeGuard[torch.Tensor]:
    """Whether an object is a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.Tensor)


def bits_of(source: object) -> int:
    """Bits of a sample of an array or tensor: 16 of uint16, else 8, as floats are pictures of 8 bits mostly."""
    return 16 if str(getattr(source, "dtype", "")).endswith(("uint16", "u2")) else 8


def from_tensor(tensor: torch.Tensor) -> Image.Image | NDArray[np.uint8]:
    """Convert a tensor (C, H, W), (H, W) or (H, W, C), of 1, 3 or 4 channels; see `from_array`.

    Three dimensions of which the first can be that of the channels are (C, H, W).
    """
    values = tensor.detach().cpu()
    if values.is_floating_point():
        values = values.float()
    array = values.numpy()
    if array.ndim == 3 and array.shape[0] in CHANNELS:
        array = array.transpose(1, 2, 0)
    return from_array(array, kind="tensor", given=tuple(tensor.shape))


def from_array(
    array: NDArray[Any], *, kind: str = "array", given: tuple[int, ...] | None = None
) -> Image.Image | NDArray[np.uint8]:
    """Convert an array to 8 bits: to an image if it is grey or transparent, else to an array (H, W, 3).

    Args:
        array: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of uint8, uint16, or floats from 0 to 1; sRGB.
        kind: name of the source's type in messages.
        given: shape of the source, for messages; None for that of the array.

    Raises:
        KindError: its shape or type is another.
        PictureError: it has floats beyond 0 to 1.
    """
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in CHANNELS)
    known = array.dtype.kind == "f" or (array.dtype.kind == "u" and array.dtype.itemsize <= 2)
    if not (fits and known):
        shape = given or array.shape
        raise KindError(f"{kind} of shape {shape} and type {array.dtype} is no picture: expected {TAKEN}")
    if array.shape[0] < 1 or array.shape[1] < 1:
        raise PictureError(f"{kind}: {array.shape[1]} x {array.shape[0]} pixels: there is nothing to compress")
    samples = _to_8_bits(array, kind)
    if samples.ndim == 3 and samples.shape[2] == 3:
        # The caller's array may be read-only, and PyTorch warns about read-only arrays.
        return np.array(samples, order="C")
    return Image.fromarray(np.ascontiguousarray(samples[..., 0] if samples.shape[2:] == (1,) else samples))


def _to_8_bits(array: NDArray[Any], kind: str) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    top = 65535.0 if array.dtype.kind == "u" else 1.0
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= top):
        raise PictureError(f"{kind}: values from {low:g} to {high:g}: expected 0 to {top:g}; scale them first")
    return np.rint(array.astype(np.float32) * np.float32(255 / top)).astype(np.uint8)
