"""The ratio path: shares everywhere, ends where it says, and ever more indices along it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvqcgic.errors import ConfigError
from hvqcgic.models.granularity import counts_from_ratios
from hvqcgic.models.ratios import check_ratios
from hvqcgic.rate_control.ratio_path import DEFAULT, PATHS, ratios


@pytest.mark.parametrize("path", PATHS)
@given(st.floats(0, 1))
def test_every_place_gives_shares(path: str, t: float) -> None:
    assert check_ratios(ratios(t, path)) == ratios(t, path)


@pytest.mark.parametrize("path", PATHS)
def test_it_goes_from_coarse_to_fine(path: str) -> None:
    assert ratios(0, path) == (0, 0, 1)
    assert ratios(1, path) == (1, 0, 0)
    fine, _, coarse = zip(*(ratios(float(t), path) for t in np.linspace(0, 1, 201)), strict=True)
    assert all(a <= b + 1e-12 for a, b in pairwise(fine))
    assert all(a >= b - 1e-12 for a, b in pairwise(coarse))


def test_they_differ_in_between() -> None:
    assert ratios(0.5, "published") == pytest.approx((0.1, 0.8, 0.1))
    assert ratios(0.5, "binomial") == (0.25, 0.5, 0.25)
    assert ratios(0.3) == ratios(0.3, DEFAULT)


@pytest.mark.parametrize("path", PATHS)
def test_the_number_of_indices_never_falls_and_grows_with_every_step(path: str) -> None:
    def indices(t: float) -> int:
        rows, columns = 32, 48
        coarse, medium = counts_from_ratios(ratios(t, path), rows, columns)
        return coarse + medium + 16 * rows * columns - 16 * coarse - 4 * medium

    counts = [indices(t) for t in np.linspace(0, 1, 201)]
    assert counts[0] == 32 * 48
    assert counts[-1] == 16 * 32 * 48
    # Two hundred steps of a path that starts flat may each be less than a cell.
    assert all(a <= b for a, b in pairwise(counts))
    assert all(a < b for a, b in pairwise(counts[::5]))


@pytest.mark.parametrize("t", [-0.01, 1.01, float("nan"), float("inf")])
def test_places_beside_the_path_are_refused(t: float) -> None:
    with pytest.raises(ConfigError, match=r"from 0 .* to 1"):
        ratios(t)


def test_an_unknown_path_is_refused() -> None:
    with pytest.raises(ConfigError, match="'scenic' is unknown; use one of published, binomial"):
        ratios(0.5, "scenic")
