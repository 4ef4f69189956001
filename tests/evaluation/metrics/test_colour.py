"""Colour differences of even areas: published values, what counts and what does not."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hvqcgic.evaluation.metrics import METRICS, MetricOptions, NotMeasurable, Picture
from hvqcgic.evaluation.metrics.colour import even_pixels

MEAN, WORST = (METRICS[name](MetricOptions()) for name in ("colour_de", "colour_de_95"))


def flat(colour: tuple[int, int, int], height: int = 64, width: int = 64) -> NDArray[np.uint8]:
    return np.tile(np.array(colour, np.uint8), (height, width, 1))


def test_the_difference_of_two_flats_is_that_of_their_colours() -> None:
    # CIEDE2000 of sRGB (0, 255, 255) and (0, 0, 255), from Bruce Lindbloom's calculator: 66.47.
    found = MEAN.measure(Picture(flat((0, 255, 255))), Picture(flat((0, 0, 255))))
    assert found == pytest.approx(66.47, abs=0.1)
    assert MEAN.measure(Picture(flat((9, 200, 30))), Picture(flat((9, 200, 30)))) == 0


def test_busy_areas_and_fine_grain_do_not_count_and_blotches_do() -> None:
    rng = np.random.default_rng(0)
    original = flat((60, 120, 180), 128, 128)
    original[:, 64:] = rng.integers(0, 256, (128, 64, 3))
    busy, grain, blotch = original.copy(), original.copy(), original.copy()
    busy[:, 96:] = 255 - busy[:, 96:]
    grain[:, :64] += rng.integers(-6, 7, (128, 64, 3)).astype(np.uint8)
    blotch[48:80, 16:48] += 25
    clean = Picture(original, keeps=True)
    values = {name: MEAN.measure(clean, Picture(other)) for name, other in (("grain", grain), ("blotch", blotch))}
    assert MEAN.measure(clean, Picture(busy)) < 0.5
    assert values["grain"] < 0.5
    assert values["blotch"] > 3 * values["grain"]
    assert WORST.measure(clean, Picture(blotch)) > 2 * values["blotch"]


def test_a_quarter_of_the_whole_cells_counts() -> None:
    picture = torch.rand((1, 3, 70, 100), generator=torch.Generator().manual_seed(0))
    picture[..., 16:32, 32:48] = 0.5
    even = even_pixels(picture)
    assert even.shape == (70, 100)
    assert int(even.sum()) == round(0.25 * 4 * 6) * 256
    assert bool(even[16:32, 32:48].all())
    assert not bool(even[64:].any())
    assert not bool(even[:, 96:].any())


def test_a_picture_smaller_than_a_cell_is_not_measurable() -> None:
    with pytest.raises(NotMeasurable, match="at least 16 px"):
        MEAN.measure(Picture(flat((1, 2, 3), 15, 40)), Picture(flat((1, 2, 3), 15, 40)))
