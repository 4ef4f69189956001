import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile

from hvqcgic.errors import PictureError, PictureWarning
from hvqcgic.files.inputs import LOSSLESS_SUFFIXES
from hvqcgic.pictures import reading
from hvqcgic.pictures.reading import read_grey, read_original, read_picture
from hvqcgic.pictures.writing import encode_picture

RGB = np.random.default_rng(8).integers(0, 256, (12, 20, 3), dtype=np.uint8)
GREY = RGB[..., 0]


def reopened(image: Image.Image, kind: str, **options: Any) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return Image.open(buffer)


def three(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.fixture
def odd(shared: Path) -> Path:
    return shared / "data/odd"


@pytest.mark.parametrize("kind", ["path", "text", "image", "array"])
def test_all_sources_give_the_same(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(RGB).save(path)
    source = {"path": path, "text": str(path), "image": Image.fromarray(RGB), "array": RGB}[kind]
    picture = read_picture(source)
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, RGB)


@pytest.mark.parametrize("array", [np.asarray(Image.fromarray(RGB)), RGB.copy(), RGB[::-1, ::-1]])
def test_an_array_is_copied_so_that_it_may_be_read_only(array: np.ndarray) -> None:
    picture = read_picture(array)
    assert np.array_equal(picture, array)
    assert picture.flags.writeable
    assert picture.flags.c_contiguous
    assert not np.shares_memory(picture, array)


def test_pixels_are_handed_over_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 256, (41, 23, 3), np.uint8)
    monkeypatch.setattr(reading, "BAND_PIXELS", 23 * 7)
    found = read_picture(Image.fromarray(values))
    assert found.flags.writeable
    assert np.array_equal(found, values)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    steps = {
        1: RGB,
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.transpose(1, 0, 2),
        6: np.rot90(RGB, -1),
        7: RGB.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(RGB),
    }
    assert np.array_equal(read_picture(reopened(Image.fromarray(RGB), "PNG", exif=exif)), steps[orientation])


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(GREY), three(GREY)),
        (Image.fromarray(GREY > 100), three(np.where(GREY > 100, 255, 0))),
        (Image.fromarray(GREY.astype(np.uint16) * 257), three(GREY)),
        (Image.fromarray(np.clip(GREY * 257.0 + 128, 0, 65535).astype(np.uint16)), three(GREY)),
        (Image.fromarray(GREY.astype(np.int32) * 257), three(GREY)),
        (Image.fromarray((GREY / 255).astype(np.float32)), three(GREY)),
        (Image.fromarray(GREY).convert("LA"), three(GREY)),
        (Image.fromarray(RGB).convert("RGBA"), RGB),
        (Image.fromarray(RGB).convert("RGBA").convert("RGBa"), RGB),
        (Image.frombytes("CMYK", (20, 12), (255 - np.dstack([RGB, np.full_like(GREY, 255)])).tobytes()), RGB),
        (Image.fromarray(GREY).convert("P"), three(GREY)),
    ],
    ids=["L", "1", "I;16", "I;16 rounded", "I", "F", "LA", "RGBA", "RGBa", "CMYK", "P"],
)
def test_modes(image: Image.Image, expected: np.ndarray) -> None:
    assert np.array_equal(read_picture(image), expected)


@pytest.mark.parametrize("byte_order", ["I;16B", "I;16L"])
def test_16_bits_in_either_byte_order(byte_order: str) -> None:
    order = ">u2" if byte_order == "I;16B" else "<u2"
    raw = (GREY.astype(np.uint16) * 257).astype(order).tobytes()
    assert np.array_equal(read_picture(Image.frombytes(byte_order, (20, 12), raw)), three(GREY))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "La", "PA", "palette", "RGB", "L", "I;16"])
def test_transparency_is_laid_over_white_with_a_warning(mode: str) -> None:
    alpha = Image.fromarray(np.where(GREY == GREY[0, 0], 0, 255).astype(np.uint8))
    colour, grey = Image.fromarray(RGB), Image.fromarray(GREY)
    flat = Image.frombytes("P", (20, 12), (GREY != GREY[0, 0]).tobytes())
    flat.putpalette([10, 20, 30, 40, 50, 60])
    if mode in ("LA", "La"):
        image = Image.merge("LA", (grey, alpha)).convert(mode)
    elif mode in ("RGBA", "PA"):
        colour.putalpha(alpha)
        image = colour.convert(mode)
    else:
        image = {"palette": flat, "RGB": colour, "L": grey, "I;16": Image.fromarray(GREY.astype(np.uint16) * 257)}[mode]
        clear = {"palette": 0, "RGB": tuple(map(int, RGB[0, 0])), "L": int(GREY[0, 0])}
        image = reopened(image, "PNG", transparency=clear.get(mode, int(GREY[0, 0]) * 257))
    with pytest.warns(PictureWarning, match="over white"):
        picture = read_picture(image)
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert (picture != 255).any()


def test_half_transparent_is_half_white() -> None:
    with pytest.warns(PictureWarning):
        picture = read_picture(Image.new("RGBA", (3, 3), (0, 100, 200, 128)))
    assert np.abs(picture - np.array([127, 177, 227])).max() <= 1


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_first_frame_of_an_animation_with_a_warning(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    image = reopened(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    with pytest.warns(PictureWarning, match="only frame 1 of 3"):
        picture = read_picture(image)
    assert picture[4, 4].tolist() == [255, 0, 0]
    image.seek(1)
    with pytest.warns(PictureWarning, match="only frame 2 of 3"):
        assert read_picture(image)[4, 4].tolist() == [0, 255, 0]
    assert image.tell() == 1


def test_the_callers_image_is_left_as_it_is() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = reopened(Image.fromarray(RGB), "PNG", exif=exif)
    read_picture(image)
    assert image.size == (20, 12)
    assert image.getexif()[0x0112] == 6


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(GREY), GREY),
        (Image.fromarray(GREY > 100), np.where(GREY > 100, 255, 0)),
        (Image.fromarray(GREY.astype(np.uint16) * 257), GREY),
        (Image.fromarray(three(GREY)), GREY),
        (Image.fromarray(three(GREY)).convert("RGBA"), GREY),
    ],
    ids=["L", "1", "I;16", "RGB", "RGBA"],
)
def test_grey_values(tmp_path: Path, image: Image.Image, expected: np.ndarray) -> None:
    image.save(tmp_path / "x.png")
    grey = read_grey(tmp_path / "x.png")
    assert grey.dtype == np.uint8
    assert np.array_equal(grey, expected)


def test_grey_values_are_upright_numbers_that_no_profile_changes(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(GREY).save(tmp_path / "x.png", exif=exif, icc_profile=b"this is no profile")
    assert np.array_equal(read_grey(tmp_path / "x.png"), GREY[::-1, ::-1])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.fromarray(RGB), r"x\.png: has colours"),
        (Image.new("LA", (4, 4), (9, 254)), r"x\.png: parts are transparent"),
    ],
)
def test_what_has_no_grey_values_is_refused(tmp_path: Path, image: Image.Image, message: str) -> None:
    image.save(tmp_path / "x.png")
    with pytest.raises(PictureError, match=message):
        read_grey(tmp_path / "x.png")


def test_grey_values_of_a_file_that_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"text")
    with pytest.raises(PictureError, match=r"x\.png: not a picture"):
        read_grey(tmp_path / "x.png")


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_an_srgb_profile_changes_nothing() -> None:
    assert np.array_equal(read_picture(reopened(Image.fromarray(RGB), "PNG", icc_profile=srgb_profile())), RGB)
    grey = reopened(Image.fromarray(GREY), "PNG", icc_profile=srgb_profile())
    assert np.abs(read_picture(grey).astype(int) - three(GREY)).max() <= 1


def test_a_colour_profile_is_converted_and_transparency_kept_apart() -> None:
    lab = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    source = Image.merge("LAB", [Image.fromarray(GREY)] * 3)
    source.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    expected = ImageCms.applyTransform(source, lab)
    assert expected is not None
    assert np.abs(read_picture(source).astype(int) - np.asarray(expected)).max() <= 2
    clear = Image.new("RGBA", (4, 4), (9, 9, 9, 0))
    clear.info["icc_profile"] = srgb_profile()
    with pytest.warns(PictureWarning, match="over white"):
        assert (read_picture(clear) == 255).all()


@pytest.mark.parametrize(
    ("image", "profile", "message"),
    [
        (Image.fromarray(RGB), b"this is no profile", "profile cannot be used"),
        (Image.fromarray(RGB), srgb_profile()[:200], "profile cannot be used"),
        (Image.fromarray(RGB).convert("CMYK"), srgb_profile(), "for RGB, the picture is CMYK"),
    ],
    ids=["foreign", "cut", "CMYK"],
)
def test_a_useless_profile_is_named_and_ignored(image: Image.Image, profile: bytes, message: str) -> None:
    image.info["icc_profile"] = profile
    with pytest.warns(PictureWarning, match=message):
        assert np.array_equal(read_picture(image), RGB)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.fromarray(np.full((2, 2), -1, np.int32)), "-1 to -1: expected 0 to 65535"),
        (Image.fromarray(np.full((2, 2), 70000, np.int32)), "70000"),
        (Image.fromarray(np.full((2, 2), np.nan, np.float32)), "nan to nan: expected 0 to 1"),
        (Image.fromarray(np.full((2, 2), 255, np.float32)), "255 to 255"),
        (Image.new("RGB", (0, 3)), "0 x 3 pixels"),
        (Image.new("1", (65537, 1)), "at most 65536 a side"),
        (Image.new("1", (65536, 8193)), "536870912 in all"),
    ],
)
def test_values_and_sizes_out_of_range_are_refused(image: Image.Image, message: str) -> None:
    with pytest.raises(PictureError, match=message):
        read_picture(image)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
def test_a_picture_cut_short_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, kind)
    content = path.read_bytes()
    for share in (0.01, 0.3, 0.6):
        path.write_bytes(content[: int(share * len(content))])
        with warnings.catch_warnings():
            # Pillow warns of some of what is then refused.
            warnings.simplefilter("ignore")
            with pytest.raises(PictureError, match=str(path)):
                read_picture(path)


def test_files_without_a_picture_are_refused(tmp_path: Path) -> None:
    for name, content in (("empty.png", b""), ("text.jpg", b"This is a text file.\n")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PictureError, match=name):
            read_picture(tmp_path / name)
    with pytest.raises(PictureError, match="no such file"):
        read_picture(tmp_path / "missing.png")
    with pytest.raises(PictureError, match="is a folder"):
        read_picture(tmp_path)


@pytest.fixture
def small_pillow_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 150)


@pytest.mark.usefixtures("small_pillow_limit")
def test_the_limits_of_pillow_become_one_line(tmp_path: Path) -> None:
    warned, refused = tmp_path / "warned.png", tmp_path / "refused.png"
    Image.fromarray(RGB).save(warned)
    assert np.array_equal(read_picture(warned), RGB)
    Image.new("RGB", (40, 40)).save(refused)
    with pytest.raises(PictureError, match=r"refused\.png: too many pixels .*MAX_IMAGE_PIXELS") as caught:
        read_picture(refused)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", LOSSLESS_SUFFIXES)
def test_pictures_are_written_without_loss(suffix: str) -> None:
    again = Image.open(io.BytesIO(encode_picture(Image.fromarray(RGB), suffix)))
    assert np.array_equal(read_picture(again), RGB)


@pytest.mark.parametrize(
    ("name", "shape", "warned"),
    [
        ("17x23.jpg", (23, 17), None),
        ("adobe_rgb.jpg", (320, 480), None),
        ("animated.gif", (120, 160), "frame 1 of 8"),
        ("cmyk.jpg", (320, 480), None),
        ("display_p3.jpg", (320, 480), None),
        ("exif_orientation6.jpg", (600, 400), None),
        ("grey.jpg", (576, 384), None),
        ("grey16.png", (128, 192), None),
        ("one_by_500.png", (500, 1), None),
        ("one_by_one.png", (1, 1), None),
        ("palette.png", (160, 240), "over white"),
        ("panorama_2304x150.jpg", (150, 2304), None),
        ("progressive.jpg", (384, 576), None),
        ("rgb16.png", (128, 192), None),
        ("rgba.png", (300, 400), "over white"),
    ],
)
def test_odd_pictures(odd: Path, name: str, shape: tuple[int, int], warned: str | None) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        picture = read_picture(odd / name)
    assert picture.shape == (*shape, 3)
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == (1 if warned else 0)
    assert all(warned is not None and warned in message and name in message for message in messages)


@pytest.mark.parametrize("name", ["truncated.jpg", "text.jpg"])
def test_odd_files_that_are_no_pictures(odd: Path, name: str) -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    with pytest.raises(PictureError, match=name):
        read_picture(odd / name)


@pytest.mark.parametrize("name", ["adobe_rgb.jpg", "display_p3.jpg"])
def test_wide_colours_get_stronger_in_srgb(odd: Path, name: str) -> None:
    with Image.open(odd / name) as image:
        unconverted = np.asarray(image.convert("RGB")).astype(float)
    converted = read_picture(odd / name).astype(float)
    assert np.ptp(converted, axis=2).mean() > 1.05 * np.ptp(unconverted, axis=2).mean()


def test_a_limit_of_pixels_is_checked_before_the_pixels_are_read(tmp_path: Path) -> None:
    file = tmp_path / "cut.png"
    Image.new("RGB", (60, 50)).save(file)
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(PictureError, match="60 x 50 pixels: at most 65536 a side and 2999 in all are taken"):
        read_original(file, max_pixels=2999)
    with pytest.raises(PictureError, match="damaged or cut short"):
        read_original(file, max_pixels=3000)
    with pytest.raises(PictureError, match="60 x 50 pixels: at most"):
        read_original(np.zeros((50, 60, 3), np.uint8), max_pixels=2999)
