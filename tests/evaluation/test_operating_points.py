"""Operating points in words: values, ranges, lists, and refusals that say what may be given."""

import pytest

from hvqcgic.errors import ConfigError
from hvqcgic.evaluation.operating_points import Parameter

QUALITY = Parameter("quality", 1, 95)
PATH = Parameter("path", 0, 1, whole=False)


@pytest.mark.parametrize(
    ("parameter", "text", "labels"),
    [
        (QUALITY, "30", ["quality=30"]),
        (QUALITY, "quality=30;50", ["quality=30", "quality=50"]),
        (QUALITY, "5..80:4", ["quality=5", "quality=30", "quality=55", "quality=80"]),
        (QUALITY, "1..4", ["quality=1", "quality=2", "quality=3", "quality=4"]),
        (QUALITY, "1..2:9", ["quality=1", "quality=2"]),
        (QUALITY, "80..5:2", ["quality=80", "quality=5"]),
        (QUALITY, "10..10:1", ["quality=10"]),
        (PATH, "0..1:5", ["path=0", "path=0.25", "path=0.5", "path=0.75", "path=1"]),
        (PATH, "path=0.3", ["path=0.3"]),
        (PATH, "0.25..0.5:2", ["path=0.25", "path=0.5"]),
    ],
)
def test_texts_and_their_labels(parameter: Parameter, text: str, labels: list[str]) -> None:
    assert parameter.parse(text) == labels


def test_a_label_gives_its_value_back() -> None:
    assert [PATH.value(label) for label in PATH.parse("0..1:8")] == pytest.approx([i / 7 for i in range(8)], abs=1e-4)


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        (QUALITY, "0"),
        (QUALITY, "96"),
        (QUALITY, "2.5"),
        (QUALITY, "high"),
        (QUALITY, ""),
        (QUALITY, "nan"),
        (QUALITY, "5..200:3"),
        (QUALITY, "q=30"),
        (PATH, "-0.1"),
        (PATH, "inf"),
    ],
)
def test_refusals_say_what_may_be_given(parameter: Parameter, text: str) -> None:
    with pytest.raises(ConfigError, match=f"numbers from {parameter.low:g} to {parameter.high:g}, such as"):
        parameter.parse(text)


def test_a_range_without_a_count_needs_whole_numbers() -> None:
    with pytest.raises(ConfigError, match=r"how many points, as in 0\.\.1:8"):
        PATH.parse("0..1")


@pytest.mark.parametrize("text", ["1..50:0", "1..50:5000"])
def test_no_range_is_empty_or_endless(text: str) -> None:
    with pytest.raises(ConfigError, match="give 1 to 1000"):
        QUALITY.parse(text)
