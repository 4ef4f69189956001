"""JPEG, WebP, AVIF, JPEG 2000 and, where its package is there, JPEG XL."""

import importlib.util

import numpy as np
import pytest

from hvqcgic.evaluation.codecs import CodecUnavailable, PictureCodec, all_codecs
from tests.random_model import random_picture

STARTS = {"jpeg": b"\xff\xd8\xff", "webp": b"RIFF", "avif": b"\x00\x00\x00", "jpeg2000": b"\xff\x4f\xff\x51"}
PICTURE = random_picture(97, 61, seed=3)


def open_at(name: str, value: float) -> PictureCodec:
    kind = all_codecs()[name]
    return kind("", kind.points(f"{value:g}")[0])


def psnr_db(codec: PictureCodec, data: bytes) -> float:
    error = codec.decode(data).astype(float) - PICTURE
    return float(10 * np.log10(255**2 / np.mean(error**2)))


@pytest.mark.parametrize("name", sorted(STARTS))
def test_a_higher_point_is_a_larger_file_and_a_better_picture(name: str) -> None:
    low, high = (open_at(name, value) for value in (25, 45))
    small, large = low.encode(PICTURE), high.encode(PICTURE)
    assert small.startswith(STARTS[name])
    assert len(small) < len(large)
    assert psnr_db(low, small) < psnr_db(high, large)
    assert high.decode(large).shape == PICTURE.shape
    assert high.decode(large).dtype == np.uint8


@pytest.mark.parametrize("name", sorted(STARTS))
def test_points_and_versions_are_in_the_fingerprint(name: str) -> None:
    assert open_at(name, 25).fingerprint != open_at(name, 45).fingerprint
    assert any(character.isdigit() for character in open_at(name, 25).fingerprint.split()[-1])


@pytest.mark.parametrize("name", sorted(STARTS))
def test_they_have_no_parts(name: str) -> None:
    assert open_at(name, 30).details().parts == {}


@pytest.mark.skipif(importlib.util.find_spec("pillow_jxl") is not None, reason="pillow-jxl-plugin is installed")
def test_jpeg_xl_names_its_package() -> None:
    with pytest.raises(CodecUnavailable, match=r"^codec jpegxl needs pillow-jxl-plugin, .* 'hvqcgic\[jpegxl\]'$"):
        open_at("jpegxl", 30)


def test_jpeg_xl_where_it_is_installed() -> None:
    pytest.importorskip("pillow_jxl", reason="pillow-jxl-plugin, an optional extra, is not installed")
    low, high = (open_at("jpegxl", value) for value in (25, 75))
    assert len(low.encode(PICTURE)) < len(high.encode(PICTURE))
    assert high.decode(high.encode(PICTURE)).shape == PICTURE.shape
