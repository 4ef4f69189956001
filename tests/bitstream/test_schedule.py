import pytest

from hvqcgic.bitstream.schedule import CELL_PX, GRANULARITIES, parse_schedule
from hvqcgic.errors import ConfigError

VALID = [
    ["coarse", "medium", "fine"],
    ["coarse", "medium/0", "medium/1", "fine/0", "fine/1"],
    ["coarse", "medium/0", "medium/1", "fine/0", "fine/1", "fine/2", "fine/3"],
    ["coarse/0", "coarse/1", "coarse/2", "coarse/3", "medium", "fine/0", "fine/1"],
]


@pytest.mark.parametrize("names", VALID)
def test_passes_come_in_the_order_of_the_schedule(names: list[str]) -> None:
    passes = parse_schedule(names)
    assert [step.name for step in passes] == names
    for step in passes:
        granularity, _, phase = step.name.partition("/")
        assert (step.granularity, step.phase) == (granularity, int(phase or 0))
        assert step.phases == sum(other.granularity == granularity for other in passes)


@pytest.mark.parametrize("names", VALID)
def test_every_position_belongs_to_one_pass_of_its_granularity(names: list[str]) -> None:
    for granularity in GRANULARITIES:
        tiles = [step.tile for step in parse_schedule(names) if step.granularity == granularity]
        for row in (0, 1):
            for column in (0, 1):
                assert sum(tile[row][column] for tile in tiles) == 1


def test_phases_lie_where_the_format_says() -> None:
    passes = {step.name: step for step in parse_schedule(VALID[2])}
    assert passes["coarse"].tile == ((True, True), (True, True))
    assert passes["medium/1"].tile == ((False, True), (True, False))
    offsets = [passes[f"fine/{phase}"].offset for phase in range(4)]
    assert offsets == [(0, 0), (1, 1), (0, 1), (1, 0)]
    for phase, (row, column) in enumerate(offsets):
        assert passes[f"fine/{phase}"].tile[row][column]


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["coarse", "medium"],
        ["medium", "coarse", "fine"],
        ["coarse", "medium/0", "fine"],
        ["coarse", "medium/1", "medium/0", "fine"],
        ["coarse", "medium", "fine/0", "fine/1", "fine/2"],
        ["coarse", "medium", "fine", "finest"],
        ["coarse", "medium", 3],
        "coarse",
    ],
)
def test_what_is_no_schedule_is_refused_with_an_example(names: list[str]) -> None:
    with pytest.raises(ConfigError, match=r'such as \["coarse", "medium/0"'):
        parse_schedule(names)


def test_cells_halve_from_one_granularity_to_the_next() -> None:
    assert [CELL_PX[g] for g in GRANULARITIES] == [16, 8, 4]
