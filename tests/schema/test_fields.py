"""What dataclasses may hold, and what is refused by name."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from hvqcgic.errors import ConfigError
from hvqcgic.schema import MOST_DEPTH, build, check, number, parse_json


@dataclass(frozen=True)
class Inner:
    width: int = number(4, low=1, high=8)

    def __post_init__(self) -> None:
        check(self, "inner")


@dataclass(frozen=True)
class Outer:
    name: str
    count: int = number(low=2, high=9)
    share: float = number(0.5, high=1, called="--share")
    sizes: tuple[int, int] = number((1, 2), low=1, high=3)
    words: tuple[str, ...] = ("a",)
    kind: Literal["this", "that"] = "this"
    side: Literal[4, 8] | None = None
    flag: bool = False
    inner: Inner = field(default_factory=Inner)
    more: Inner | None = None
    layers: dict[str, tuple[Inner, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self, "outer")


GIVEN: dict[str, Any] = {"name": "x", "count": 3}


def test_lists_and_mappings_become_tuples_and_dataclasses() -> None:
    values = GIVEN | {
        "sizes": [3, 1],
        "inner": {"width": 2},
        "more": {},
        "layers": {"a": [{"width": 1}, {}]},
        "side": 8,
    }
    found = build(Outer, values, "outer")
    assert found == Outer("x", 3, sizes=(3, 1), side=8, inner=Inner(2), more=Inner(), layers={"a": (Inner(1), Inner())})
    assert build(Outer, found, "outer") is found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 1}, "outer.count is 1; use 2 to 9"),
        ({"count": 3.0}, "outer.count is 3.0; use a whole number, 2 to 9"),
        ({"count": True}, "outer.count is True; use a whole number, 2 to 9"),
        ({"count": "3"}, "outer.count is '3'; use a whole number, 2 to 9"),
        ({"count": None}, "outer.count is None; use a whole number, 2 to 9"),
        ({"count": 10**5000}, "outer.count is a number of many digits; use 2 to 9"),
        ({"share": 10**400}, "--share is a number of many digits; use 0 to 1"),
        ({"share": math.nan}, "--share is nan; use a finite number of 0 to 1"),
        ({"share": -math.inf}, "--share is -inf; use a finite number of 0 to 1"),
        ({"sizes": [1, 4]}, "outer.sizes is 4; use 1 to 3"),
        ({"sizes": [1]}, "outer.sizes is (1,); use a list of 2 values"),
        ({"sizes": 3}, "outer.sizes is 3; use a list of 2 values"),
        ({"words": ["a"] * 65}, "use a list of up to 64 values"),
        ({"words": ["a\nb"]}, "outer.words is 'a\\nb'; use 1 to 200 printable characters"),
        ({"name": ""}, "outer.name is ''; use 1 to 200 printable characters"),
        ({"name": "x" * 10**6}, "use 1 to 200 printable characters"),
        ({"kind": "these"}, "outer.kind is 'these'; use one of this, that"),
        ({"kind": []}, "outer.kind is []; use one of this, that"),
        ({"side": 8.0}, "outer.side is 8.0; use one of 4, 8"),
        ({"flag": 1}, "outer.flag is 1; use true or false"),
        ({"inner": None}, "outer.inner is None; use a mapping of its fields"),
        ({"inner": [3]}, "outer.inner is [3]; use a mapping of its fields"),
        ({"inner": {"width": 9}}, "inner.width is 9; use 1 to 8"),
        ({"layers": {"a": 3}}, "outer.layers.'a' is 3; use a list of up to 64 values"),
        ({"layers": {"a": [3]}}, "outer.layers.'a' is 3; use a mapping of its fields"),
        ({"layers": {3: []}}, "outer.layers is {3: ()}; use a mapping from names"),
        ({"layers": []}, "outer.layers is []; use a mapping from names"),
        ({"wrods": ["a"]}, "Outer: unknown field 'wrods' (did you mean words?); known are count"),
        ({3: 3}, "Outer: unknown field '3'; known are count"),
    ],
)
def test_what_does_not_fit_is_named_with_its_limits(change: dict[Any, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(Outer, GIVEN | change, "outer")
    said = str(caught.value)
    assert message in said
    assert "\n" not in said
    assert len(said) < 400


def test_what_must_be_given_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^outer\.count is missing$"):
        build(Outer, {"name": "x"}, "outer")
    with pytest.raises(ConfigError, match=r"^outer is 3; use a mapping of its fields$"):
        build(Outer, 3, "outer")


def test_deep_values_are_shown_short() -> None:
    deep: list[Any] = []
    for _ in range(2000):
        deep = [deep]
    with pytest.raises(ConfigError, match="use a list of 2 values") as caught:
        build(Outer, GIVEN | {"sizes": [deep, deep, 1]}, "outer")
    assert len(str(caught.value)) < 400


def test_json_is_parsed_to_a_bounded_depth() -> None:
    assert parse_json('{"a": [1, 2.5, null, true, "x"]}', "it") == {"a": [1, 2.5, None, True, "x"]}
    assert parse_json(b"[]", "it") == []
    for depth in (MOST_DEPTH + 2, 10_000, 1_000_000):
        with pytest.raises(ConfigError, match=f"^it is nested more than {MOST_DEPTH} deep$"):
            parse_json("[" * depth + "]" * depth, "it")
    assert parse_json("[" * MOST_DEPTH + "]" * MOST_DEPTH, "it")


@pytest.mark.parametrize("text", ["{", b"\xff", "", '"\\ud800"', "1" * 5000, '{"\\udfff": 1}'])
def test_what_is_no_json_is_one_error(text: str | bytes) -> None:
    with pytest.raises(ConfigError, match=r"^it is not JSON that can be read") as caught:
        parse_json(text, "it")
    assert "\n" not in str(caught.value)
    str(caught.value).encode()
