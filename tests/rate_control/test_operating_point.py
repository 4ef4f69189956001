"""What an encoder may be asked for, and one line for all else."""

import math
from pathlib import Path
from typing import Any

import pytest

from hvqcgic.errors import ConfigError, KindError
from hvqcgic.rate_control.operating_point import (
    AUTO_ETAS,
    DEFAULT_ETA,
    OperatingPoint,
    check_choices,
    parse_target,
    rate_range,
)
from hvqcgic.rate_control.quality import LpipsAlex, Psnr
from hvqcgic.rate_control.ratio_path import PATHS, ratios
from hvqcgic.rate_control.regions import Region
from tests.random_model import small_config


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"bpp": 0.0}, "bpp 0 is no rate; give a number above 0 and at most 24"),
        ({"bpp": -0.1}, "bpp -0.1 is no rate"),
        ({"bpp": math.nan}, "bpp nan is no rate"),
        ({"bpp": math.inf}, "bpp inf is no rate"),
        ({"bpp": 24.001}, r"bpp 24\.001 is no rate"),
        ({"max_bytes": 0}, "max_bytes 0 is no size; give at least 1"),
        ({"max_bytes": -5}, "max_bytes -5 is no size"),
        ({"max_bytes": math.nan}, "max_bytes nan is no size"),
        ({"bpp": 0.2, "max_bytes": 900}, "bpp and max_bytes are two targets; give one of them"),
        ({"ratios": (1.0, 0.0, 0.0), "target": "psnr=27"}, "ratios and target are two targets"),
        ({"ratios": (1.0, 1.0, 0.0)}, "ratios"),
        ({"ratios": (math.nan, 0.5, 0.5)}, "ratios"),
        ({"target": "psnr"}, "target 'psnr' is not NAME=VALUE with a quality of lpips, psnr"),
        ({"target": "ssim=0.9"}, "target 'ssim=0.9' is not NAME=VALUE"),
        ({"target": "psnr="}, "give a number from 1 to 100 for psnr"),
        ({"target": "psnr=nan"}, "give a number from 1 to 100 for psnr"),
        ({"target": "psnr=0"}, "give a number from 1 to 100 for psnr"),
        ({"target": "psnr=101"}, "give a number from 1 to 100 for psnr"),
        ({"target": "lpips=0"}, "give a number from 0.0001 to 1 for lpips"),
        ({"target": "lpips=-0.1"}, "give a number from 0.0001 to 1 for lpips"),
        ({"target": "lpips=good"}, "give a number from 0.0001 to 1 for lpips"),
        ({"quality": -1}, r"quality -1 is not allowed; give a number from 0 \(all cells coarse\) to 100 \(all fine\)"),
        ({"quality": 100.5}, r"quality 100\.5 is not allowed"),
        ({"quality": math.nan}, "quality nan is not allowed"),
        ({"quality": True}, "quality True is not allowed"),
        ({"quality": "keep"}, "quality 'keep' is not allowed"),
        ({"quality": 60, "ratios": (1.0, 0.0, 0.0)}, "ratios and quality are two targets"),
        ({"quality": 60, "target": "psnr=27"}, "target and quality are two targets"),
        ({"granularity": "random"}, "granularity 'random' is unknown; use one of auto, entropy, rd"),
        ({"path": "winding"}, "ratio path 'winding' is unknown"),
        ({"eta": -0.1}, "eta -0.1 is not allowed; give a number from 0"),
        ({"eta": math.nan}, "eta nan is not allowed"),
        ({"eta": math.inf}, "eta inf is not allowed"),
        ({"bpp": 0.2, "eta": "automatic"}, "eta 'automatic' is unknown"),
        ({"refine": -1}, "refine -1 is no number of steps; give a whole number from 0"),
        ({"refine": 1001}, "refine 1001 is no number of steps"),
        ({"refine": 2.5}, r"refine 2\.5 is no number of steps"),
        ({"refine": True}, "refine True is no number of steps"),
        ({"eta": "auto"}, "eta auto compares files of one size; give bpp or max_bytes"),
        ({"target": "psnr=27", "eta": "auto"}, "eta auto compares files of one size"),
    ],
)
def test_what_is_not_allowed_is_one_line(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        OperatingPoint(**choices)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("choices", [{"bpp": math.nan}, {"bpp": 25.0}, {"max_bytes": 0}])
def test_a_wrong_size_is_answered_with_the_range_of_the_model(choices: dict[str, Any]) -> None:
    low, high = rate_range(small_config())
    assert (low, high) == (6 / 256, 6 / 16)
    with pytest.raises(ConfigError, match=r"\(random reaches about 0\.02 to 0\.38 bpp\)$"):
        check_choices(small_config, **choices)


def test_what_is_wrong_otherwise_is_not() -> None:
    with pytest.raises(ConfigError) as caught:
        check_choices(small_config, target="psnr=0")
    assert "reaches" not in str(caught.value)


@pytest.mark.parametrize(
    ("choices", "etas"),
    [
        ({}, (0.0,)),
        ({"ratios": (1.0, 0.0, 0.0)}, (0.0,)),
        ({"target": "psnr=27"}, (0.0,)),
        ({"quality": 60}, (0.0,)),
        ({"bpp": 24}, (DEFAULT_ETA,)),
        ({"max_bytes": 1}, (DEFAULT_ETA,)),
        ({"max_bytes": 1, "eta": 0}, (0.0,)),
        ({"bpp": 0.1, "eta": "auto"}, AUTO_ETAS),
        ({"target": "psnr=27", "eta": 2.5}, (2.5,)),
    ],
)
def test_the_values_of_eta_that_are_tried(choices: dict[str, Any], etas: tuple[float, ...]) -> None:
    assert check_choices(small_config, **choices).etas == etas


def test_a_quality_is_a_place_on_the_path() -> None:
    for quality, place in ((0, 0.0), (60, 0.6), (7.5, 0.075), (100, 1.0)):
        for path in PATHS:
            point = OperatingPoint(quality=quality, path=path)
            assert (point.place, point.shares) == (place, ratios(place, path))
    assert (OperatingPoint().place, OperatingPoint().shares) == (None, None)
    assert OperatingPoint(ratios=(0.2, 0.3, 0.5)).shares == (0.2, 0.3, 0.5)


def test_a_target_is_a_quality_and_its_value() -> None:
    assert [(t.kind, t.value) for t in map(parse_target, ("lpips=0.08", " psnr = 27 "))] == [
        (LpipsAlex, 0.08),
        (Psnr, 27.0),
    ]


@pytest.mark.parametrize("roi", [5, "mask.png", b"bytes", Region(0, 0, 1, 1), [5], [(1, 2, 3, 4)], [None]])
def test_regions_of_another_kind_are_one_line_that_names_what_is_taken(roi: Any) -> None:
    with pytest.raises(
        KindError, match=r"roi .* is no list of regions; each is Region\(x, y, width, height\), or"
    ) as told:
        OperatingPoint(bpp=0.2, roi=roi)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("roi", [None, (), [], [Region(0, 0, 1, 1), b"mask"], (Path("mask.png"),)])
def test_regions_are_taken_as_a_list_or_not_at_all(roi: Any) -> None:
    assert OperatingPoint(bpp=0.2, roi=roi).roi is roi
