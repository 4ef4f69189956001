"""What a page shows is read without torch, within limits."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqcgic.codec import Codec
from hvqcgic.errors import BitstreamError, PictureError
from hvqcgic.explore.limits import Limits
from hvqcgic.explore.subject import plain_name, read_subject
from tests.command_calls import save_picture
from tests.random_model import random_picture


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(random_picture(width, height, seed=1)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_picture_and_a_file(codec: Codec) -> None:
    found = read_subject(png(40, 24), "some/x.y.png", Limits())
    assert (found.name, found.stem, found.width, found.height, found.data) == ("x.y.png", "x.y", 40, 24, None)
    assert found.pixels is not None
    assert np.array_equal(found.pixels, random_picture(40, 24, seed=1))
    data = codec.compress(random_picture(40, 24, seed=1))
    file = read_subject(data, "x.hvq", Limits())
    assert (file.width, file.height, file.pixels, file.data) == (40, 24, None, data)


def test_what_is_too_large_or_broken_is_refused(codec: Codec, tmp_path: Path) -> None:
    whole = codec.compress(random_picture(40, 24, seed=1))
    few = Limits(max_pixels=959)
    with pytest.raises(PictureError, match=r"x\.png: 40 x 24 pixels: at most 65536 a side and 959 in all are taken"):
        read_subject(png(40, 24), "x.png", few)
    with pytest.raises(BitstreamError, match=r"x\.hvq: .* 40 x 24 pixels: more than 959 in all are not read"):
        read_subject(whole, "x.hvq", few)
    with pytest.raises(PictureError, match=r"x\.png: .* at most 100 are taken"):
        read_subject(png(40, 24), "x.png", Limits(max_bytes=100))
    with pytest.raises(BitstreamError, match=r"x\.hvq: "):
        read_subject(whole[:-9], "x.hvq", Limits())
    with pytest.raises(PictureError, match=r"x\.txt: not a picture"):
        read_subject(b"words", "x.txt", Limits())
    cut = save_picture(tmp_path / "cut.png", seed=1).read_bytes()[:-300]
    with pytest.raises(PictureError, match=r"cut\.png: .*damaged or cut short"):
        read_subject(cut, "cut.png", Limits())


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("C:\\photos\\a b.jpg", "a b.jpg"),
        ("../../etc/x", "x"),
        ("", "picture"),
        ("/", "picture"),
        ("a\n\x1b[1mb", "a[1mb"),
        ("x" * 500, "x" * 120),
    ],
)
def test_names_are_one_line_without_folders(name: str, plain: str) -> None:
    assert plain_name(name) == plain
