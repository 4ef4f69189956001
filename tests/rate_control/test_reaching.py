"""Targets of one picture: what is asked for is what the real file has, or the range that it could have is named."""

import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hvqcgic.bitstream import MODES
from hvqcgic.codec.codec import Codec
from hvqcgic.errors import ConfigError, Unreachable
from hvqcgic.rate_control.operating_point import AUTO_ETAS, OperatingPoint
from hvqcgic.rate_control.quality import mean_squared_error
from hvqcgic.rate_control.ratio_path import PATHS, ratios
from hvqcgic.rate_control.reaching import KnownSizes, reach
from hvqcgic.rate_control.regions import Region
from hvqcgic.rate_control.search import SLACK_BYTES
from tests.random_model import random_picture

Pixels = NDArray[np.uint8]

ALL_COARSE, ALL_FINE = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)
SHARES = (0.02, 0.6)
"""Of the way from the smallest file to the largest."""
CHOICES: dict[str, dict[str, Any]] = {
    "default": {},
    "nearest codes": {"eta": 0.0},
    "auto": {"eta": "auto"},
    "rd": {"granularity": "rd"},
    "regions": {"roi": (Region(0, 0, 9, 5, 9.0), Region(4, 4, 8, 8, 0.2))},
    "rd and regions": {"granularity": "rd", "eta": 0.0, "roi": (Region(3, 2, 9, 5),)},
}


def picture(width: int, height: int) -> Pixels:
    return random_picture(width, height, seed=3)


def ends(codec: Codec, pixels: Pixels, *, coding: str = "adaptive", eta: float = 0.1, **choices: Any) -> list[int]:
    """Sizes of the smallest and the largest file of the ratio path."""
    return [
        len(codec.compress(pixels, ratios=shares, coding=coding, eta=eta, **choices))
        for shares in (ALL_COARSE, ALL_FINE)
    ]


def check_sizes(codec: Codec, pixels: Pixels, coding: str, choices: dict[str, Any]) -> list[int]:
    """Ask for sizes as rates and as limits, and check the files; how many trials each took."""
    low, high = ends(codec, pixels, coding=coding, **choices | ({"eta": 0.0} if choices.get("eta") == "auto" else {}))
    trials: list[int] = []
    for size in (low + share * (high - low) for share in SHARES):
        rate = 8 * size / (pixels.shape[0] * pixels.shape[1])
        found = codec.compress_at(pixels, OperatingPoint(bpp=rate, **choices), coding=coding)
        assert abs(len(found.written.data) - size) <= max(16, 0.01 * size)
        most = int(size) + 1 + SLACK_BYTES
        limited = codec.compress_at(pixels, OperatingPoint(max_bytes=most, **choices), coding=coding)
        assert most - max(16, 0.01 * most) <= len(limited.written.data) <= most
        assert codec.decompress(limited.written.data).size == (pixels.shape[1], pixels.shape[0])
        trials += [found.reached.trials, limited.reached.trials]
    return trials


@pytest.mark.parametrize(("size", "choices"), [((200, 13), "default"), *(((96, 80), name) for name in CHOICES)])
def test_a_size_is_reached(codec: Codec, size: tuple[int, int], choices: str) -> None:
    trials = check_sizes(codec, picture(*size), "adaptive", CHOICES[choices])
    n_searches = len(AUTO_ETAS) if choices == "auto" else 1
    # Of few cells, sizes come in steps that a search can only run up against.
    assert size == (200, 13) or np.mean(trials) <= 4 * n_searches


@pytest.mark.parametrize(
    ("coding", "choices"), [*((mode, "default") for mode in MODES[1:]), ("static-huffman", "rd and regions")]
)
def test_a_size_is_reached_in_every_coding(codec: Codec, coding: str, choices: str) -> None:
    check_sizes(codec, picture(80, 64), coding, CHOICES[choices])


@pytest.mark.parametrize("path", PATHS)
def test_a_size_is_reached_on_every_path(codec: Codec, path: str) -> None:
    check_sizes(codec, picture(80, 64), "static-arithmetic", {"path": path})


@pytest.mark.parametrize("granularity", ["entropy", "rd"])
def test_a_size_is_reached_where_all_cells_are_alike(codec: Codec, granularity: str) -> None:
    flat = np.full((128, 128, 3), 120, np.uint8)
    check_sizes(codec, flat, "fixed-length", {"granularity": granularity})


def sizes_on_the_path(codec: Codec, pixels: Pixels, coding: str) -> set[int]:
    """Of every map that a small picture has on the path."""
    analysed = codec.analyse(pixels)
    maps = {}
    for place in np.linspace(0, 1, 101):
        masks = codec.order_cells(analysed, ratios(float(place)))
        maps.setdefault((masks.count("coarse"), masks.count("medium")), masks)
    encoded = [codec.try_out(analysed, masks, eta=0.1, coding=coding).encoded for masks in maps.values()]
    return {len(codec.write(each, coding=coding).data) for each in encoded}


@pytest.mark.parametrize("coding", ["adaptive", "static-huffman", "fixed-length"])
@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 33)])
def test_of_a_tiny_picture_the_nearest_file_there_is(codec: Codec, size: tuple[int, int], coding: str) -> None:
    pixels = picture(*size)
    there = sizes_on_the_path(codec, pixels, coding)
    for most in range(min(there) + 2 * SLACK_BYTES, max(there) + 40, 17):
        got = len(codec.compress(pixels, max_bytes=most, coding=coding))
        assert got <= most
        fitting = [each for each in there if most - 16 + 2 * SLACK_BYTES <= each <= most - 2 * SLACK_BYTES]
        assert got >= most - 16 or not fitting
    for aim in range(min(there), max(there) + 1, 17):
        rate = 8 * aim / (size[0] * size[1])
        if rate <= 24:
            got = len(codec.compress(pixels, bpp=rate, coding=coding))
            assert abs(got - aim) <= 16 or min(abs(each - aim) for each in there) > 16 - 2 * SLACK_BYTES


def range_in(message: str) -> tuple[int, int]:
    found = re.search(r"takes (\d+) to (\d+) bytes", message)
    assert found, message
    return int(found[1]), int(found[2])


@pytest.mark.parametrize("eta", [0.0, 0.1, "auto"])
@pytest.mark.parametrize("share", [0.3, 2.0])
def test_a_rate_out_of_reach_is_refused_with_the_range(codec: Codec, share: float, eta: Any) -> None:
    pixels = picture(96, 80)
    low, high = (
        end(sizes)
        for end, sizes in zip(
            (min, max),
            zip(*(ends(codec, pixels, eta=each) for each in (AUTO_ETAS if eta == "auto" else [eta])), strict=True),
            strict=True,
        )
    )
    rate = 8 * share * (low if share < 1 else high) / (96 * 80)
    with pytest.raises(Unreachable, match=rf"^{rate:g} bpp cannot be reached.*random.*clamp") as caught:
        codec.compress(pixels, bpp=rate, eta=eta)
    assert range_in(str(caught.value)) == pytest.approx((low, high), abs=2 * SLACK_BYTES)
    clamped = codec.compress_at(pixels, OperatingPoint(bpp=rate, eta=eta, clamp=True))
    assert len(clamped.written.data) == (low if share < 1 else high)
    assert f"{rate:g} bpp cannot be reached" in clamped.reached.clamped


@pytest.mark.parametrize("coding", ["adaptive", "fixed-length"])
@pytest.mark.parametrize("size", [(1, 1), (96, 80)])
def test_fewer_bytes_than_the_smallest_file_are_refused(codec: Codec, size: tuple[int, int], coding: str) -> None:
    pixels = picture(*size)
    smallest = ends(codec, pixels, coding=coding)[0]
    for most in (1, smallest // 2, smallest - 1):
        for clamp in (False, True):
            with pytest.raises(Unreachable, match=rf"^{most} bytes cannot be reached") as caught:
                codec.compress(pixels, max_bytes=most, coding=coding, clamp=clamp)
    least, _ = range_in(str(caught.value))
    assert smallest <= least <= smallest + 2 * SLACK_BYTES
    assert len(codec.compress(pixels, max_bytes=least, coding=coding)) <= least


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 33)])
def test_zip_whose_tiny_files_do_not_grow_steadily_keeps_limits(codec: Codec, size: tuple[int, int]) -> None:
    pixels = picture(*size)
    low, high = ends(codec, pixels, coding="zip")
    for most in range(low + 2 * SLACK_BYTES, high + 20, 11):
        assert len(codec.compress(pixels, max_bytes=most, coding="zip")) <= most


@pytest.mark.parametrize("eta", [0.1, "auto"])
def test_more_bytes_than_a_picture_takes_are_no_error(codec: Codec, eta: Any) -> None:
    pixels = picture(96, 80)
    found = codec.compress_at(pixels, OperatingPoint(max_bytes=10**7, eta=eta))
    assert (found.reached.place, found.reached.clamped) == (1.0, "")
    assert found.written.data == codec.compress(pixels, ratios=ALL_FINE, eta=found.reached.eta)


def test_auto_takes_what_reaches_the_size_at_the_least_error(codec: Codec) -> None:
    pixels = picture(96, 80)
    largest = [ends(codec, pixels, eta=eta)[1] for eta in AUTO_ETAS]
    assert largest[0] > largest[-1] + 100
    near_the_top = codec.compress_at(pixels, OperatingPoint(bpp=8 * largest[0] / (96 * 80), eta="auto"))
    assert near_the_top.reached.eta == 0.0
    rate = 4 * largest[-1] / (96 * 80)
    errors = {}
    for eta in (*AUTO_ETAS, "auto"):
        decoded = codec.decompress(codec.compress(pixels, bpp=rate, eta=eta))
        errors[eta] = mean_squared_error(pixels, np.asarray(decoded))
    assert errors["auto"] <= 1.01 * min(errors.values())


def test_without_a_target_the_ratios_count(codec: Codec) -> None:
    pixels = picture(64, 48)
    assert codec.compress(pixels) == codec.compress(pixels, ratios=codec.config.default_ratios)
    found = codec.compress_at(pixels, OperatingPoint(ratios=ALL_FINE, eta=0.3))
    assert (found.reached.place, found.reached.eta, found.reached.trials) == (None, 0.3, 1)
    assert len(found.written.data) < len(codec.compress(pixels, ratios=ALL_FINE))


def test_a_region_has_finer_cells_at_the_same_size(codec: Codec) -> None:
    pixels = picture(128, 96)
    plain, drawn = (codec.encode(pixels, bpp=0.25, roi=roi) for roi in ((), (Region(0, 0, 48, 48),)))
    assert drawn.masks.fine[:12, :12].mean() > plain.masks.fine[:12, :12].mean() + 0.2


def test_what_is_wrong_is_named(codec: Codec) -> None:
    pixels = picture(64, 48)
    with pytest.raises(ConfigError, match="bpp and max_bytes are two targets"):
        codec.compress(pixels, bpp=0.3, max_bytes=300)
    with pytest.raises(Unreachable, match="outside the picture of 64 x 48 pixels"):
        codec.compress(pixels, bpp=0.3, roi=(Region(60, 0, 8, 8),))
    with pytest.raises(ConfigError, match="coding 'morse' is unknown"):
        codec.compress(pixels, bpp=0.3, coding="morse")


def test_more_quality_is_a_larger_file_and_a_closer_picture(tiny: Codec, cat: Pixels) -> None:
    files = [tiny.compress(cat, quality=quality) for quality in (0, 12.5, 25, 50, 75, 100)]
    errors = [mean_squared_error(cat, np.asarray(tiny.decompress(data))) for data in files]
    assert sorted(set(map(len, files))) == list(map(len, files))
    assert sorted(set(errors), reverse=True) == errors
    assert files[0] == tiny.compress(cat, ratios=ALL_COARSE)
    assert files[-1] == tiny.compress(cat, ratios=ALL_FINE)


def test_a_search_starts_from_the_sizes_of_earlier_ones(codec: Codec) -> None:
    pixels = picture(160, 112)
    analysed = codec.analyse(pixels)
    low, high = (8 * size / pixels[..., 0].size for size in ends(codec, pixels))
    rates = [low + share * (high - low) for share in (0.3, 0.34, 0.38, 0.3)]
    known: KnownSizes = {}
    found = [reach(codec, analysed, OperatingPoint(bpp=rate), known=known) for rate in rates]
    for each, rate in zip(found, rates, strict=True):
        size = len(codec.write(each.encoded).data)
        assert abs(size - rate * pixels[..., 0].size / 8) <= max(16, 0.01 * size)
    assert found[-1].trials == 1
    assert {each.place for each in found} <= known[found[0].eta].keys()
    alone = [reach(codec, analysed, OperatingPoint(bpp=rate)).trials for rate in rates]
    assert sum(each.trials for each in found) < sum(alone)


def test_known_ends_name_the_range(codec: Codec) -> None:
    pixels = picture(96, 64)
    analysed, known = codec.analyse(pixels), KnownSizes()
    smallest, largest = ends(codec, pixels)
    for place in (0.0, 1.0):
        reach(codec, analysed, OperatingPoint(bpp=8 * (smallest, largest)[round(place)] / 6144), known=known)
    for bpp in (8 * largest / 6144 + 1, 4 * smallest / 6144):
        with pytest.raises(Unreachable) as caught:
            reach(codec, analysed, OperatingPoint(bpp=bpp), known=known)
        assert range_in(str(caught.value)) == pytest.approx((smallest, largest), abs=2 * SLACK_BYTES)
        clamped = reach(codec, analysed, OperatingPoint(bpp=bpp, clamp=True), known=known)
        assert clamped.clamped
        assert clamped.place == float(bpp > 1)
