"""EXIF, XMP, resolution and colour profiles: kept in the file on request, and named where they are lost."""

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

import hvqcgic.pillow
from hvqcgic.bitstream import pack, unpack
from hvqcgic.codec.codec import Codec
from hvqcgic.errors import ConfigError, PictureWarning
from hvqcgic.files.inputs import RESULT_SUFFIXES
from hvqcgic.pictures.metadata import Metadata, is_wide, metadata_in
from hvqcgic.pictures.reading import read_original, read_picture
from hvqcgic.pictures.writing import PILLOW_FORMATS, encode_picture
from tests.command_calls import Call
from tests.random_model import random_picture

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF/></x:xmpmeta>'


def profile(red: tuple[float, float], green: tuple[float, float], blue: tuple[float, float]) -> bytes:
    """An RGB profile of these primaries, as bytes: that of sRGB with other colorants, D50-adapted XYZ."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(data[128:132], "big")
    for name, (x, y) in ((b"rXYZ", red), (b"gXYZ", green), (b"bXYZ", blue)):
        for entry in range(132, 132 + 12 * count, 12):
            if data[entry : entry + 4] == name:
                place = int.from_bytes(data[entry + 4 : entry + 8], "big") + 8
                total = sum(
                    int.from_bytes(data[place + 4 * i : place + 4 * i + 4], "big", signed=True) for i in range(3)
                )
                for i, share in enumerate((x, y, 1 - x - y)):
                    data[place + 4 * i : place + 4 * i + 4] = round(total * share).to_bytes(4, "big", signed=True)
    return bytes(data)


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
WIDE = profile((0.68, 0.32), (0.27, 0.69), (0.15, 0.06))
"""About Display P3."""


def exif(**more: Any) -> Image.Exif:
    found = Image.Exif()
    found[0x010F] = "a camera"
    found[0x0112] = 6
    return found


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A JPEG picture with all kinds of metadata, lying on its side."""
    path = tmp_path / "photo.jpg"
    image = Image.fromarray(random_picture(64, 48, seed=1))
    image.save(path, exif=exif(), xmp=XMP, dpi=(300, 300), icc_profile=WIDE)
    return path


def test_what_is_dropped_is_one_line(photo: Path, codec: Codec, call: Call, tiny_model_path: Path) -> None:
    line = r"EXIF and XMP and the resolution dropped; colours of .* beyond sRGB are lost"
    with pytest.warns(PictureWarning, match=rf"photo\.jpg: {line} \(metadata='keep' keeps them\)"):
        assert unpack(codec.compress(photo)).header.version == 1
    result = call("compress", photo, "-o", photo.with_suffix(".hvq"), "--model", tiny_model_path)
    assert result.code == 0
    assert "--metadata keep keeps them" in result.complaint
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_picture(photo)


def test_kept_metadata_come_back(photo: Path, codec: Codec) -> None:
    data = codec.compress(photo, metadata="keep")
    found = unpack(data)
    assert set(found.tagged) == {"exif", "xmp", "icc", "resolution"}
    # Old readers skip what they do not know.
    assert all(tag[:1].islower() for tag in (b"exif", b"xmpp", b"iccp", b"reso"))
    picture = codec.decompress(data)
    assert picture.size == (48, 64)
    assert (picture.info["xmp"], picture.info["icc_profile"], picture.info["dpi"]) == (XMP, WIDE, (300, 300))
    block = picture.getexif()
    assert block[0x010F] == "a camera"
    assert 0x0112 not in block
    # In the profile's own numbers, not in sRGB.
    with Image.open(photo) as image:
        plain = np.asarray(image.convert("RGB").transpose(Image.Transpose.ROTATE_270))
    assert np.array_equal(read_original(photo, keep=True).pixels, plain)
    assert not np.array_equal(read_picture(photo), plain)


@pytest.mark.parametrize("suffix", RESULT_SUFFIXES)
def test_formats_of_results(photo: Path, codec: Codec, tmp_path: Path, suffix: str) -> None:
    info = codec.decompress(codec.compress(photo, metadata="keep")).info
    # Smooth, so that a second lossy compression changes little.
    picture = Image.linear_gradient("L").resize((48, 64)).convert("RGB")
    picture.info = info
    with Image.open(io.BytesIO(encode_picture(picture, suffix))) as image:
        assert (image.format, image.size) == (PILLOW_FORMATS[suffix], (48, 64))
        kept = image.format in ("PNG", "JPEG", "WEBP", "AVIF", "TIFF")
        assert (image.info.get("icc_profile") == WIDE) == kept
        assert (image.getexif().get(0x010F) == "a camera") == kept
        if kept:
            assert image.info["xmp"] == XMP
        if image.format in ("PNG", "JPEG", "TIFF", "BMP"):
            assert image.info["dpi"] == pytest.approx((300, 300), rel=1e-3)
        difference = np.asarray(image.convert("RGB")).astype(int) - np.asarray(picture)
        assert np.abs(difference).mean() < 4


def test_a_command_keeps_them_through_a_file(call: Call, photo: Path, tiny_model_path: Path, tmp_path: Path) -> None:
    coded, model = tmp_path / "x.hvq", ["--model", tiny_model_path]
    result = call("compress", photo, "-o", coded, "--metadata", "keep", *model)
    assert (result.code, "dropped" in result.err) == (0, False)
    assert "beside" in call("info", coded).out
    assert call("decompress", coded, "-o", tmp_path / "x.webp", "--quality", 80, *model).code == 0
    with Image.open(tmp_path / "x.webp") as image:
        assert image.getexif()[0x010F] == "a camera"
    assert call("compress", photo, "-o", tmp_path / "y.hvq", "--metadata", "keep", "--budget", "1MB").code == 2


def test_a_size_is_that_of_the_whole_file(photo: Path, codec: Codec) -> None:
    data = codec.compress(photo, metadata="keep", max_bytes=3800)
    assert len(data) <= 3800
    with pytest.raises(ConfigError, match=r"the metadata have \d+ of the file's 300 bytes"):
        codec.compress(photo, metadata="keep", max_bytes=300)
    with pytest.raises(ConfigError, match="metadata 'all' is unknown; use one of drop, keep"):
        codec.compress(photo, metadata="all")


def test_pillow_keeps_what_it_is_given(photo: Path, tiny_model_path: Path, tmp_path: Path) -> None:
    image = Image.fromarray(random_picture(64, 48, seed=1))
    path = tmp_path / "x.hvq"
    image.save(path, model=tiny_model_path, exif=exif(), dpi=(72, 72), icc_profile=WIDE, xmp=XMP)
    with Image.open(path) as again:
        assert (again.info["xmp"], again.info["icc_profile"], again.info["dpi"]) == (XMP, WIDE, (72, 72))
        assert again.getexif()[0x010F] == "a camera"
    with Image.open(photo) as opened, pytest.warns(PictureWarning, match="EXIF and XMP"):
        opened.save(path, model=tiny_model_path)
    with Image.open(photo) as opened:
        opened.save(path, model=tiny_model_path, metadata="keep")
    assert hvqcgic.pillow.FORMAT == "HVQ"
    with Image.open(path) as again:
        assert again.info["xmp"] == XMP


@pytest.mark.parametrize("kind", ["L", "RGB"])
def test_16_bits_are_named(tmp_path: Path, codec: Codec, kind: str) -> None:
    grey = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 20
    source: Any = Image.fromarray(grey) if kind == "L" else np.dstack([grey] * 3)
    with pytest.warns(PictureWarning, match="picture: 16 bits a sample become 8"):
        codec.compress(source)


def test_16_bits_of_a_colour_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.ppm"
    path.write_bytes(b"P6 4 4 65535\n" + bytes(96))
    assert read_original(path).lost == "16 bits a sample become 8"
    rows = zlib.compress(bytes(4 * (1 + 4 * 6)))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    png = [struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks]
    assert read_original(b"\x89PNG\r\n\x1a\n" + b"".join(png)).lost == "16 bits a sample become 8"
    Image.new("RGB", (4, 4)).save(tmp_path / "y.ppm")
    assert read_original(tmp_path / "y.ppm").lost == ""


def test_wide_profiles() -> None:
    assert is_wide(WIDE)
    assert not is_wide(SRGB)
    assert not any(map(is_wide, (b"", b"no profile", WIDE[:200])))


def test_foreign_metadata_do_no_harm(codec: Codec, tmp_path: Path) -> None:
    plain = unpack(codec.compress(random_picture(32, 32, seed=1)))
    sections = {"exif": bytes(100_000), "xmp": b"\xff\xfe", "icc": b"none", "resolution": b"1e999 x"}
    picture = codec.decompress(pack(plain.header, plain.sections, sections))
    assert "dpi" not in picture.info
    for suffix in RESULT_SUFFIXES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PictureWarning)
            data = encode_picture(picture, suffix)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert Image.open(io.BytesIO(data)).size == (32, 32)


def test_sections_there_and_back() -> None:
    for found in (Metadata(), Metadata(b"a", b"b", b"c", (72, 300.5))):
        assert metadata_in(found.sections()) == found
