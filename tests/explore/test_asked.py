"""Requests to code are checked before anything is computed."""

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image

from hvqcgic.errors import ConfigError
from hvqcgic.explore.asked import Asked, check_mask, parse_asked

GREY = io.BytesIO()
Image.new("L", (8, 6), 255).save(GREY, "PNG")


def body(**values: Any) -> bytes:
    return json.dumps({"model": "tiny", **values}).encode()


def test_a_request_becomes_an_operating_point() -> None:
    asked, mask = parse_asked(body(bpp=0.2, coding="zip", mask=base64.b64encode(GREY.getvalue()).decode()))
    assert asked == Asked("tiny", "zip", 0.2)
    assert mask == GREY.getvalue()
    point = asked.point(mask)
    assert (point.bpp, point.ratios, point.roi, point.clamp) == (0.2, None, (mask,), True)
    asked, mask = parse_asked(body(ratios=[0.5, 0.25, 0.25], mask=None))
    assert mask is None
    assert asked.point(mask).ratios == (0.5, 0.25, 0.25)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"bpp": "much"}, "request.bpp"),
        ({"bpp": -1}, "request.bpp"),
        ({"ratios": [1, 2]}, "request.ratios"),
        ({"nope": 1}, "unknown field 'nope'"),
        ({"model": 5}, "request.model"),
        ({"mask": "!"}, "request.mask: is no base64 text"),
        ({"mask": 5}, "request.mask: is no base64 text"),
    ],
)
def test_values_that_are_not_allowed(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_asked(body(**values))


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"{}"])
def test_what_is_no_request(text: bytes) -> None:
    with pytest.raises(ConfigError, match="request"):
        parse_asked(text)


def test_two_targets_and_impossible_ones() -> None:
    for asked, told in (
        (Asked("tiny", bpp=0.1, ratios=(1, 0, 0)), "two targets"),
        (Asked("tiny", bpp=0.0), "is no rate"),
        (Asked("tiny", ratios=(0.5, 0.1, 0.1)), "must sum to 1"),
    ):
        with pytest.raises(ConfigError, match=told):
            asked.point(None)


def test_masks_are_png_of_the_pictures_size() -> None:
    check_mask(GREY.getvalue(), 8, 6)
    with pytest.raises(ConfigError, match="has 8 x 6 pixels, the picture 6 x 8"):
        check_mask(GREY.getvalue(), 6, 8)
    with pytest.raises(ConfigError, match="is no PNG"):
        check_mask(b"GIF89a", 6, 8)
