import numpy as np
import pytest

from hvqcgic.bitstream.schedule import parse_schedule
from hvqcgic.entropy.schedule import positions

SCHEDULES = (
    ("coarse", "medium", "fine"),
    ("coarse/0", "coarse/1", "medium/0", "medium/1", "medium/2", "medium/3", "fine/0", "fine/1"),
)


@pytest.mark.parametrize("names", SCHEDULES)
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (4, 2)])
def test_passes_share_the_grid_among_them(names: tuple[str, ...], size: tuple[int, int]) -> None:
    passes = parse_schedule(names)
    for granularity in ("coarse", "medium", "fine"):
        cover = sum(positions(step, *size).astype(int) for step in passes if step.granularity == granularity)
        np.testing.assert_array_equal(cover, np.ones(size))


def test_phases_lie_where_the_format_says() -> None:
    passes = {step.name: step for step in parse_schedule(SCHEDULES[1])}
    np.testing.assert_array_equal(positions(passes["coarse/1"], 2, 3), [[0, 1, 0], [1, 0, 1]])
    np.testing.assert_array_equal(positions(passes["medium/1"], 3, 2), [[0, 0], [0, 1], [0, 0]])
    np.testing.assert_array_equal(positions(passes["medium/2"], 2, 2), [[0, 1], [0, 0]])
