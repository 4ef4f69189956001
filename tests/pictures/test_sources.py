"""What a picture can be given as, and what is refused."""

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hvqcgic.bitstream import MAGIC
from hvqcgic.errors import KindError, PictureError, PictureWarning
from hvqcgic.pictures.reading import read_picture

RGB = np.random.default_rng(8).integers(0, 256, (12, 20, 3), dtype=np.uint8)
GREY = RGB[..., 0]


def three(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.uint32, np.complex64, object])
def test_arrays_of_another_type_are_refused(dtype: type) -> None:
    with pytest.raises(KindError, match=r"array of shape \(12, 20, 3\) and type .* is no picture: expected a path, "):
        read_picture(RGB.astype(dtype))


@pytest.mark.parametrize("shape", [(), (12,), (12, 20, 2), (1, 3, 12, 20), (3, 12, 20)])
def test_arrays_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(KindError, match="is no picture: expected a path, "):
        read_picture(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 0)])
def test_empty_arrays_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(PictureError, match="there is nothing to compress"):
        read_picture(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("low", "high"), [(0, 255), (-0.1, 1), (0, np.nan), (0, np.inf)])
def test_floats_beyond_0_to_1_are_refused(dtype: type, low: float, high: float) -> None:
    with pytest.raises(PictureError, match=r"array: values from .*: expected 0 to 1; scale them first"):
        read_picture(np.array([[low, high]], dtype))


ARRAYS = {
    "grey": (GREY, three(GREY)),
    "grey, one channel": (GREY[..., None], three(GREY)),
    "uint16": (RGB.astype(np.uint16) * 257, RGB),
    "uint16, other byte order": ((RGB.astype(np.uint16) * 257).astype(">u2"), RGB),
    "uint16 grey": (GREY.astype(np.uint16) * 257, three(GREY)),
    "float32": ((RGB / 255).astype(np.float32), RGB),
    "float64 grey": (GREY / 255, three(GREY)),
    "float16": ((RGB / 255).astype(np.float16), RGB),
    "opaque": (np.dstack([RGB, np.full_like(GREY, 255)]), RGB),
    "opaque floats": (np.dstack([RGB, np.full_like(GREY, 255)]) / 255, RGB),
    "strided": (np.repeat(RGB, 2, 1)[:, ::2], RGB),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_of_all_kinds(kind: str) -> None:
    array, expected = ARRAYS[kind]
    assert np.array_equal(read_picture(array), expected)
    tensor = torch.from_numpy(np.ascontiguousarray(array, array.dtype.newbyteorder("=")))
    assert np.array_equal(read_picture(tensor), expected)
    if tensor.ndim == 3:
        assert np.array_equal(
            read_picture(tensor.permute(2, 0, 1).requires_grad_(tensor.is_floating_point())), expected
        )


def test_bfloat16_and_transparent_arrays() -> None:
    values = torch.tensor([0.0, 0.25, 1.0]).repeat(2, 1).bfloat16()
    assert read_picture(values)[0, :, 0].tolist() == [0, 64, 255]
    with pytest.warns(PictureWarning, match="over white"):
        assert read_picture(np.zeros((2, 2, 4))).min() == 255


@pytest.mark.parametrize("shape", [(1, 3, 12, 20), (5, 12, 20), (20,), (12, 20, 2)])
def test_tensors_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(KindError, match=re.escape(f"tensor of shape {shape} and type uint8 is no picture")):
        read_picture(torch.zeros(shape, dtype=torch.uint8))


def test_bytes_and_files(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(RGB).save(path)
    data = path.read_bytes()
    with path.open("rb") as plain, path.open("rb", buffering=0) as raw:
        for source in (data, bytearray(data), memoryview(data), io.BytesIO(data), plain, raw):
            assert np.array_equal(read_picture(source), RGB)
        assert not plain.closed
    late = io.BytesIO(b"before" + data)
    late.seek(6)
    assert np.array_equal(read_picture(late), RGB)


@pytest.mark.parametrize("source", [None, 5, [1, 2], {}, object(), (3, 4)])
def test_all_else_is_one_line(source: Any) -> None:
    with pytest.raises(
        KindError, match=r"^\w+ is no picture that can be compressed: expected a path, bytes, .*"
    ) as error:
        read_picture(source)
    assert isinstance(error.value, TypeError)
    assert "\n" not in str(error.value)


def test_bytes_that_are_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Another test may have registered the plugin, with which Pillow reads .hvq files.
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HVQ"])
    hvq = (MAGIC + b"rest", "a .hvq file, not a picture; `hvqcgic decompress` makes a picture of it")
    for data, message in ((b"", "0 bytes"), (b"text", "not a picture that Pillow can read"), hvq):
        path = tmp_path / "file"
        path.write_bytes(data)
        for source in (data, io.BytesIO(data), path):
            with pytest.raises(PictureError, match=message):
                read_picture(source)
    with pytest.raises(KindError, match="open the file in binary mode, 'rb'"):
        read_picture(io.StringIO("text"))  # pyright: ignore[reportArgumentType]
