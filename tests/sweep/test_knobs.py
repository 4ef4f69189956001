"""What an encoder may choose, as the evaluator spells it."""

from typing import Any

import pytest

from hvqcgic.errors import ConfigError
from hvqcgic.evaluation.spec import parse_specs
from hvqcgic.sweep.knobs import check_knobs, codec_spec
from hvqcgic.sweep.space import parse_space

KNOBS = [
    ({"place": 0.123456}, "hvqcgic:tiny@path=0.1235"),
    (
        {"place": 0.5, "eta": 0.1234567, "path": "published", "granularity": "rd", "coding": "static-huffman"},
        "hvqcgic:tiny+static-huffman+rd+eta=0.12346+published@path=0.5",
    ),
    (
        {"model": "tiny-frozen", "granularity": "entropy", "bpp": 0.2, "eta": "auto", "refine": 10},
        "hvqcgic:tiny-frozen+entropy+eta=auto+refine=10@bpp=0.2",
    ),
    ({"fine": 0.5, "medium": 0.8}, "hvqcgic:tiny@ratios=0.5,0.4,0.1"),
    ({"ratios": [0, 0.5, 0.5]}, "hvqcgic:tiny@ratios=0,0.5,0.5"),
    ({"lpips": 0.15}, "hvqcgic:tiny@lpips=0.15"),
]


@pytest.mark.parametrize(("knobs", "spec"), KNOBS)
def test_knobs_are_a_codec_of_the_evaluator(knobs: dict[str, Any], spec: str) -> None:
    assert codec_spec(knobs) == spec
    codec = parse_specs([spec]).codecs[0]
    assert f"{codec.label}@{codec.points[0]}" == spec
    check_knobs(parse_space("evaluate", knobs))


@pytest.mark.parametrize("share", [0.0, 0.1234, 0.3333, 0.77777, 1.0])
def test_ratios_that_are_drawn_one_by_one_sum_to_one(share: float) -> None:
    point = parse_specs([codec_spec({"fine": share, "medium": 1 - share / 3})]).codecs[0].points[0]
    assert sum(map(float, point.removeprefix("ratios=").split(","))) == pytest.approx(1, abs=1e-6)


def test_a_trained_model_takes_the_place_of_the_given_one() -> None:
    assert codec_spec({"model": "tiny", "place": 0.5}, model="a/b.safetensors") == "hvqcgic:a/b.safetensors@path=0.5"


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"etta": 0.1, "place": 0.5}, "evaluate.etta is unknown .did you mean eta"),
        ({"eta": 0.1}, "evaluate has no rate"),
        ({"place": 0.1, "bpp": 0.2}, "evaluate has place, bpp"),
        ({"fine": 0.1}, "medium goes with fine"),
        ({"place": {"low": 0.5, "high": 1.5}}, "1.5"),
    ],
)
def test_knobs_that_cannot_be_are_refused(knobs: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_knobs(parse_space("evaluate", knobs))
