import numpy as np
import pytest

from hvqcgic.entropy.integers import shrink, smallest_integers
from hvqcgic.errors import ModelError


@pytest.mark.parametrize(
    ("values", "kind"),
    [([-128, 127], np.int8), ([128], np.int16), ([-32769], np.int32), ([2**31], np.int64), ([], np.int8)],
)
def test_shrink_takes_the_smallest_type(values: list[int], kind: type) -> None:
    shrunk = shrink(np.array(values, np.int64))
    assert shrunk.dtype == kind
    assert shrunk.tolist() == values


def test_rounding_to_a_grid() -> None:
    assert smallest_integers([0.49, -1.26, 2], 2, "w").tolist() == [2, -5, 8]


@pytest.mark.parametrize("value", [np.nan, np.inf, 2.0**52])
def test_what_does_not_fit_is_named(value: float) -> None:
    with pytest.raises(ModelError, match=r"context.conv1 .* exceeds 2\^50"):
        smallest_integers([value], 3, "context.conv1")
