"""Regions of interest: rectangles and masks become weights of pixels, or one clear line."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hvqcgic.errors import ConfigError, PictureError, Unreachable
from hvqcgic.rate_control.region_weights import read_mask, weights_of
from hvqcgic.rate_control.regions import DEFAULT_WEIGHT, Region, parse_region, parse_roi

GREY = np.random.default_rng(3).integers(0, 256, (6, 9), dtype=np.uint8)
COUNTS = st.integers(0, 70000)


def save(image: Image.Image | np.ndarray, path: Path) -> Path:
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path)
    return path


@given(COUNTS, COUNTS, COUNTS.map(lambda n: n + 1), COUNTS.map(lambda n: n + 1), st.sampled_from([0.5, 1.0, 2.25]))
def test_a_region_reads_what_it_prints(x: int, y: int, width: int, height: int, weight: float) -> None:
    region = Region(x, y, width, height, weight)
    assert parse_region(str(region)) == region


def test_a_region_without_a_weight_has_the_default() -> None:
    assert parse_region("1, 2,3,4") == Region(1, 2, 3, 4) == Region(1, 2, 3, 4, DEFAULT_WEIGHT)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not x,y,w,h=weight"),
        ("1,2,3", r"region '1,2,3': is not x,y,w,h=weight.*such as"),
        ("1,2,3,4,5=2", "is not x,y,w,h=weight"),
        ("1,2,3.5,4", "four whole numbers"),
        ("1,2,3,4=", "is not x,y,w,h=weight"),
        ("1,2,3,4=much", "is not x,y,w,h=weight"),
        ("1,2,3,4=0", "weight 0 is not allowed; give a number from 0.001 to 1000"),
        ("1,2,3,4=-2", "weight -2 is not allowed"),
        ("1,2,3,4=nan", "weight nan is not allowed"),
        ("1,2,3,4=inf", "weight inf is not allowed"),
        ("1,2,3,4=1e9", r"weight 1e\+09 is not allowed"),
        ("-1,2,3,4", "region -1,2,3,4=4: starts outside the picture"),
        ("1,-2,3,4", "starts outside the picture"),
        ("1,2,0,4", "is empty"),
        ("1,2,3,-4", "is empty"),
    ],
)
def test_what_is_no_region_is_one_line(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        parse_region(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2,3,4=2.5", Region(1, 2, 3, 4, 2.5)),
        ("1,2,3,4", Region(1, 2, 3, 4)),
        ("mask.png", Path("mask.png")),
        ("a,b/mask", Path("a,b/mask")),
        ("1,2,3,4=2.PNG", Path("1,2,3,4=2.PNG")),
    ],
)
def test_a_rectangle_or_a_path(text: str, expected: Region | Path) -> None:
    assert parse_roi(text) == expected


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4O"])
def test_a_mistyped_rectangle_is_not_taken_for_a_path(text: str) -> None:
    with pytest.raises(ConfigError, match="is not x,y,w,h=weight"):
        parse_roi(text)


@pytest.mark.parametrize(
    ("image", "levels"),
    [
        (Image.fromarray(GREY), GREY),
        (Image.fromarray(GREY > 100), np.where(GREY > 100, 255, 0)),
        (Image.fromarray(GREY.astype(np.uint16) * 257), GREY),
        (Image.fromarray(GREY).convert("RGB"), GREY),
        (Image.fromarray(GREY).convert("RGBA"), GREY),
        (Image.fromarray(GREY).convert("P"), GREY),
    ],
    ids=["8 bits", "1 bit", "16 bits", "RGB", "opaque RGBA", "palette"],
)
def test_a_mask_is_linear_from_black_to_white(tmp_path: Path, image: Image.Image, levels: np.ndarray) -> None:
    weights = read_mask(save(image, tmp_path / "mask.png"), 9, 6)
    assert weights.dtype == np.float32
    assert np.allclose(weights, 1 + (DEFAULT_WEIGHT - 1) * levels / 255, rtol=1e-6)


def test_black_is_exactly_neutral_and_white_the_default(tmp_path: Path) -> None:
    weights = read_mask(save(np.array([[0, 255]], np.uint8), tmp_path / "mask.png"), 2, 1)
    assert weights.tolist() == [[1, DEFAULT_WEIGHT]]


def test_a_masks_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GREY).save(tmp_path / "mask.png", exif=exif)
    Image.fromarray(np.rot90(GREY, -1)).save(tmp_path / "upright.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png", 6, 9), read_mask(tmp_path / "upright.png", 6, 9))


def test_a_mask_of_another_size_names_both(tmp_path: Path) -> None:
    mask = save(GREY, tmp_path / "mask.png")
    with pytest.raises(Unreachable, match=r"mask\.png: the mask has 9 x 6 pixels, the picture 6 x 9"):
        read_mask(mask, 6, 9)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (Image.new("RGB", (9, 6), (10, 10, 11)), "has colours"),
        (Image.new("RGBA", (9, 6), (10, 10, 10, 200)), "parts are transparent"),
        (b"text", "not a picture"),
        (b"", "the file is empty"),
        (None, "no such file"),
    ],
)
def test_what_is_no_mask_is_one_line(tmp_path: Path, content: Image.Image | bytes | None, words: str) -> None:
    path = tmp_path / "mask.png"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        save(content, path)
    with pytest.raises(PictureError, match=words) as caught:
        read_mask(path, 9, 6)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_regions_nothing_weighs() -> None:
    assert weights_of([], 9, 6) is None


def test_weights_are_those_of_the_rectangles() -> None:
    weights = weights_of([Region(1, 2, 3, 4, 2.5), Region(8, 0, 1, 1, 0.25)], 9, 6)
    expected = np.ones((6, 9))
    expected[2:6, 1:4] = 2.5
    expected[0, 8] = 0.25
    assert weights is not None
    assert weights.dtype == np.float32
    assert np.array_equal(weights, expected)


def test_a_region_may_be_the_whole_picture() -> None:
    assert np.array_equal(weights_of([Region(0, 0, 9, 6, 3)], 9, 6), np.full((6, 9), 3))  # pyright: ignore[reportArgumentType]


@given(st.permutations([Region(0, 0, 3, 1, 0.5), Region(1, 0, 3, 1, 2), Region(2, 0, 3, 1, 0.25)]))
def test_the_largest_weight_counts_in_any_order(regions: list[Region]) -> None:
    weights = weights_of(regions, 6, 1)
    assert weights is not None
    assert weights.tolist() == [[0.5, 2, 2, 2, 0.25, 1]]


def test_black_of_a_mask_leaves_a_coarser_region_as_it_is(tmp_path: Path) -> None:
    mask = save(np.array([[0, 0, 255, 255]], np.uint8), tmp_path / "mask.png")
    for rois in ([mask, Region(1, 0, 2, 1, 0.5)], [Region(1, 0, 2, 1, 0.5), mask]):
        weights = weights_of(rois, 4, 1)
        assert weights is not None
        assert weights.tolist() == [[1, 0.5, DEFAULT_WEIGHT, DEFAULT_WEIGHT]]


@pytest.mark.parametrize("region", [Region(7, 0, 3, 1), Region(0, 5, 1, 2), Region(50, 50, 2, 2)], ids=str)
def test_a_region_outside_the_picture_is_one_line(region: Region) -> None:
    with pytest.raises(Unreachable, match=rf"region {region}: .* outside the picture of 9 x 6 pixels"):
        weights_of([region], 9, 6)


def test_a_mask_may_be_the_bytes_of_its_file(tmp_path: Path) -> None:
    grey = np.zeros((24, 40), np.uint8)
    grey[:10, 5:] = 255
    file = tmp_path / "mask.png"
    Image.fromarray(grey).save(file)
    of_bytes, of_path = (weights_of([mask], 40, 24) for mask in (file.read_bytes(), file))
    assert of_bytes is not None
    assert of_path is not None
    assert np.array_equal(of_bytes, of_path)
    with pytest.raises(Unreachable, match="regions: the mask has 40 x 24 pixels, the picture 24 x 40"):
        weights_of([file.read_bytes()], 24, 40)
