"""Qualities as targets: the smallest file that has them, measured on what it decodes to."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hvqcgic.codec.codec import Codec
from hvqcgic.errors import Unreachable
from hvqcgic.perceptual.lpips import weights_path
from hvqcgic.rate_control.operating_point import OperatingPoint
from hvqcgic.rate_control.quality import QUALITIES, LpipsAlex, Psnr, Quality, mean_squared_error, psnr_db
from hvqcgic.rate_control.ratio_path import ratios

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module", params=["psnr", "lpips"])
def quality(request: pytest.FixtureRequest, cat: Pixels) -> Quality:
    if request.param == "lpips" and not weights_path("alex").is_file():
        pytest.skip(f"{weights_path('alex')} is not there: LPIPS weights that this test needs (set TORCH_HOME)")
    return QUALITIES[request.param](cat)


def at_place(codec: Codec, quality: Quality, place: float, **choices: Any) -> tuple[float, int]:
    """The quality and the size of the file at a place of the path."""
    data = codec.compress(quality.original, ratios=ratios(place), **choices)
    return quality.measure(np.asarray(codec.decompress(data))), len(data)


def test_the_file_has_the_quality_and_is_not_larger_than_need_be(tiny: Codec, quality: Quality) -> None:
    eta = 0.0 if quality.name == "lpips" else 0.1
    # LPIPS of so small a picture is not steady along the whole path: here it is.
    exact, size = at_place(tiny, quality, 0.43, eta=eta)
    wanted = round(exact, 6)
    point = OperatingPoint(target=f"{quality.name}={wanted}", eta=eta)
    found = tiny.compress_at(quality.original, point)
    assert not found.reached.clamped
    value = quality.measure(np.asarray(tiny.decompress(found.written.data)))
    better = wanted - value if quality.lower_is_better else value - wanted
    # Of so few cells, qualities do not grow steadily: it need not be the very file that had the value.
    assert -1e-5 <= better <= 4 * quality.tolerance(wanted)
    assert len(found.written.data) <= 1.1 * size
    place = found.reached.place
    assert place is not None
    before, _ = at_place(tiny, quality, place - 0.05, eta=eta)
    assert (before > wanted) == quality.lower_is_better


def test_a_quality_out_of_reach_is_refused_with_the_best_there_is(tiny: Codec, quality: Quality) -> None:
    best, size = at_place(tiny, quality, 1.0)
    target = f"{quality.name}={0.001 if quality.lower_is_better else 60}"
    with pytest.raises(Unreachable, match=rf"tiny.*at best {best:.4g} \(all cells fine\); .*clamp"):
        tiny.compress(quality.original, target=target)
    clamped = tiny.compress_at(quality.original, OperatingPoint(target=target, clamp=True))
    assert len(clamped.written.data) == size
    assert "cannot be reached" in clamped.reached.clamped


def test_a_quality_that_every_file_has_takes_the_smallest(tiny: Codec, quality: Quality) -> None:
    target = f"{quality.name}={1 if quality.name == 'lpips' else 2}"
    _, size = at_place(tiny, quality, 0.0)
    assert len(tiny.compress(quality.original, target=target)) == size


def test_squared_errors_are_of_all_channels_and_do_not_wrap() -> None:
    black, light = np.zeros((2, 3, 3), np.uint8), np.full((2, 3, 3), 200, np.uint8)
    light[..., 0] = 0
    assert mean_squared_error(black, light) == mean_squared_error(light, black) == pytest.approx(200**2 * 2 / 3)
    assert psnr_db(black, light) == pytest.approx(20 * np.log10(255 / 200) + 10 * np.log10(1.5))
    assert psnr_db(light, light) == Psnr(light).measure(light) == 100


def test_lpips_of_a_picture_too_small_for_it_is_refused() -> None:
    with pytest.raises(Unreachable, match=r"31 x 40 px picture: LPIPS needs at least 32 px a side; give psnr"):
        LpipsAlex(np.zeros((40, 31, 3), np.uint8))
