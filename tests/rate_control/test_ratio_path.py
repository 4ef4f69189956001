"""The ratio path: shares everywhere, ends where it says, and ever more indices along it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvqcgic.errors import ConfigError
from hvqcgic.models.granularity import check_ratios, counts_from_ratios
from hvqcgic.rate_control.ratio_path import ratios


@given(st.floats(0, 1))
def test_every_place_gives_shares(t: float) -> None:
    assert check_ratios(ratios(t)) == ratios(t)


def test_it_goes_from_coarse_through_medium_to_fine() -> None:
    assert ratios(0) == (0, 0, 1)
    assert ratios(0.5) == (0, 1, 0)
    assert ratios(1) == (1, 0, 0)


def test_the_number_of_indices_never_falls_and_grows_with_every_step() -> None:
    def indices(t: float) -> int:
        rows, columns = 32, 48
        coarse, medium = counts_from_ratios(ratios(t), rows, columns)
        return coarse + medium + 16 * rows * columns - 16 * coarse - 4 * medium

    counts = [indices(t) for t in np.linspace(0, 1, 201)]
    assert counts[0] == 32 * 48
    assert counts[-1] == 16 * 32 * 48
    assert all(a < b for a, b in pairwise(counts))


@pytest.mark.parametrize("t", [-0.01, 1.01, float("nan"), float("inf")])
def test_places_beside_the_path_are_refused(t: float) -> None:
    with pytest.raises(ConfigError, match=r"from 0 .* to 1"):
        ratios(t)
