"""`.hvq` files through Pillow's own functions."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

import hvqcgic.pillow
from hvqcgic.bitstream import Header, pack
from hvqcgic.codec.codec import Codec
from tests.random_model import random_picture


@pytest.fixture(autouse=True)
def no_model_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hvqcgic.pillow, "_codecs", {})


@pytest.fixture
def picture() -> Iterator[Image.Image]:
    with Image.fromarray(random_picture(90, 61, seed=4)) as image:
        yield image


def test_there_and_back(tmp_path: Path, picture: Image.Image, codec: Codec, tiny_model_path: Path) -> None:
    path = tmp_path / "x.hvq"
    picture.save(path, model=tiny_model_path)
    assert path.read_bytes() == codec.compress(picture)
    with Image.open(path) as again:
        assert (again.format, again.size, again.mode) == ("HVQ", (90, 61), "RGB")
        assert again.get_format_mimetype() == "image/x-hvq"
        assert np.array_equal(np.asarray(again), np.asarray(codec.decompress(path.read_bytes())))
        assert again.resize((20, 10)).size == (20, 10)


def test_header_fields_are_there_before_the_pixels(tmp_path: Path) -> None:
    # No model has this fingerprint, so nothing can be decoded.
    (tmp_path / "x.hvq").write_bytes(pack(Header(bytes(8), "zip", 64, 48, 6, 10), [b"map", b"indices"]))
    with Image.open(tmp_path / "x.hvq") as image:
        assert (image.size, image.mode) == ((64, 48), "RGB")
        assert image.info["model"] is None
        assert image.info["fingerprint"] == "00" * 8
        assert (image.info["coding"], image.info["version"]) == ("zip", 1)
        assert image.info["cells"] == (56, 10, 6)
        assert image.info["ratios"] == pytest.approx((14 / 48, 10 / 48, 6 / 12))
        assert image.info["bpp"] == 8 * (tmp_path / "x.hvq").stat().st_size / (64 * 48)
        with pytest.raises(OSError, match=r"x\.hvq: made with a model of fingerprint 0{16}, .* hvqcgic\.pillow\.use_m"):
            image.load()


def test_options_are_those_of_compress(picture: Image.Image, codec: Codec, tiny_model_path: Path) -> None:
    choices: tuple[dict[str, Any], ...] = (
        {"ratios": (0.2, 0.3, 0.5), "coding": "static-huffman"},
        {"max_bytes": 200, "granularity": "rd"},
        {"bpp": 0.4, "eta": 0.3},
        {"bpp": 20, "clamp": True},
        {"quality": 70},
    )
    for options in choices:
        buffer = io.BytesIO()
        # Options of other formats do not count, as with any of Pillow's own.
        picture.save(buffer, "HVQ", model=str(tiny_model_path), method=6, optimize=True, **options)
        assert buffer.getvalue() == codec.compress(picture, **options)


def test_a_bundled_model_is_found_by_the_file_alone(picture: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "hvq")
    monkeypatch.setattr(hvqcgic.pillow, "_codecs", {})
    with Image.open(buffer) as again:
        assert again.info["model"] == "tiny"
        difference = np.asarray(again).astype(int) - np.asarray(picture)
    assert np.abs(difference).mean() < 60


def test_a_model_of_ones_own_is_made_known(
    picture: Image.Image, tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "hvq", model=tiny_model_path)
    monkeypatch.setattr(hvqcgic.pillow, "_codecs", {})
    with Image.open(buffer) as again:
        with pytest.raises(OSError, match="use_model"):
            again.load()
        hvqcgic.pillow.use_model(tiny_model_path)
        again.load()
    with Image.open(buffer) as again:
        assert again.info["model"] == "random"


def test_a_model_is_loaded_once(picture: Image.Image, tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    load = hvqcgic.load
    monkeypatch.setattr("hvqcgic.codec.codec.load", lambda *arguments: loaded.append(arguments) or load(*arguments))
    for _ in range(3):
        buffer = io.BytesIO()
        picture.save(buffer, "hvq", model=tiny_model_path)
        with Image.open(buffer) as again:
            again.load()
    assert loaded == [(tiny_model_path,)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "enormous"}, "unknown model 'enormous'"),
        ({"bpp": 0}, "bpp 0 is no rate"),
        ({"bpp": 20}, "20 bpp cannot be reached"),
        ({"bpp": 0.2, "max_bytes": 300}, "bpp and max_bytes are two targets"),
        ({"ratios": (1, 1, 1)}, "ratios"),
        ({"quality": "keep"}, "quality 'keep' is not allowed"),
        ({"quality": 80, "bpp": 0.2}, "bpp and quality are two targets"),
        ({"coding": "best"}, "coding 'best' is unknown"),
    ],
)
def test_what_cannot_be_is_a_value_error_and_leaves_no_file(
    tmp_path: Path, picture: Image.Image, tiny_model_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        picture.save(tmp_path / "x.hvq", **{"model": tiny_model_path, **options})  # pyright: ignore[reportArgumentType]
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_every_mode_is_taken(tiny_model_path: Path) -> None:
    for mode in ("L", "1", "P", "CMYK", "YCbCr", "LA"):
        buffer = io.BytesIO()
        Image.new("RGB", (20, 16), (200, 100, 50)).convert(mode).save(buffer, "hvq", model=tiny_model_path)
        with Image.open(buffer) as again:
            assert (again.size, again.mode) == ((20, 16), "RGB")


def test_damage_is_an_os_error_when_the_file_is_opened(
    tmp_path: Path, picture: Image.Image, tiny_model_path: Path
) -> None:
    path = tmp_path / "x.hvq"
    picture.save(path, model=tiny_model_path)
    data = path.read_bytes()
    contents = {"cut short": data[:-1], "damaged": data[:30] + bytes(1) + data[31:], "version 9": b"HVQ\x09" + data[4:]}
    for words, content in contents.items():
        path.write_bytes(content)
        with pytest.raises(OSError, match=rf"^\S+x\.hvq: .*{words}"):
            Image.open(path)
        with pytest.raises(OSError, match=words):
            Image.open(io.BytesIO(content))
    path.write_bytes(b"no stream at all")
    with pytest.raises(UnidentifiedImageError):
        Image.open(path)


def test_verify_and_pillows_own_limit(
    tmp_path: Path, picture: Image.Image, tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.hvq"
    picture.save(path, model=tiny_model_path)
    with Image.open(path) as image:
        image.verify()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(path)
