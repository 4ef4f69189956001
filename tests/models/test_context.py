import pytest
import torch
import torch.nn.functional as F

from hvqcgic.bitstream.schedule import CELL_PX, GRANULARITIES, Pass, parse_schedule
from hvqcgic.models.context import (
    bring_masks,
    context_network,
    gather_parameters,
    known_cells,
    pass_cells,
    pass_input,
    phase_mask,
)
from hvqcgic.models.granularity import Ratios, repeat
from tests.models.small import CORNERS, MIXED, SCHEDULES, SMALL, noise, random_masks

STEPS = {step.name: step for names in SCHEDULES for step in parse_schedule(names)}
ALL_STEPS = pytest.mark.parametrize("step", [*STEPS.values()], ids=[*STEPS])


@ALL_STEPS
def test_positions_of_a_phase_are_its_tile_over_and_over(step: Pass) -> None:
    found = phase_mask(step, torch.zeros(2, 7, 5, 6))
    expected = [[step.tile[row % 2][column % 2] for column in range(6)] for row in range(5)]
    assert found.tolist() == expected


@pytest.mark.parametrize("ratios", [MIXED, *CORNERS])
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_masks_are_brought_to_a_grid(granularity: str, ratios: Ratios) -> None:
    masks = random_masks(2, 3, 4, ratios=ratios)
    at_finest = [repeat(masks[g], CELL_PX[g] // CELL_PX["fine"]) for g in GRANULARITIES]
    expected = F.max_pool2d(torch.cat(at_finest, 1).float(), CELL_PX[granularity] // CELL_PX["fine"])
    assert torch.equal(bring_masks(masks, granularity), expected)


def is_known(step: Pass, granularity: str, row: int, column: int) -> bool:
    """Whether a pass knows the cell of some granularity at (row, column) of the pass's grid."""
    if granularity != step.granularity:
        return GRANULARITIES.index(granularity) < GRANULARITIES.index(step.granularity)
    phases = [Pass("", granularity, phase, step.phases).tile[row % 2][column % 2] for phase in range(step.phases)]
    return phases.index(True) < step.phase


@ALL_STEPS
def test_a_pass_knows_the_cells_before_it(step: Pass) -> None:
    masks = random_masks(1, 2, 3)
    codes = {g: 1 + noise(1, 2, *masks[g].shape[2:]) for g in GRANULARITIES}
    canvas, known = known_cells(step, masks, codes)
    own_px = CELL_PX[step.granularity]
    expected = torch.zeros_like(canvas)
    for g in GRANULARITIES[: GRANULARITIES.index(step.granularity) + 1]:
        for row, column in masks[step.granularity][0, 0].new_ones(canvas.shape[2:]).nonzero().tolist():
            place = (0, slice(None), row * own_px // CELL_PX[g], column * own_px // CELL_PX[g])
            if bool(masks[g][place].all()) and is_known(step, g, row, column):
                expected[0, :, row, column] = codes[g][place]
    assert torch.equal(canvas, expected)
    assert torch.equal(known, expected[:, :1] > 0)


@ALL_STEPS
@pytest.mark.parametrize("hints", [0, 4])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 5)])
def test_every_cell_of_a_pass_gets_its_parameters(step: Pass, hints: int, rows: int, columns: int) -> None:
    masks = random_masks(2, rows, columns)
    codes = {g: noise(2, 3, *masks[g].shape[2:]) for g in GRANULARITIES}
    hint = noise(2, hints, *masks[step.granularity].shape[2:]) if hints else None
    x = pass_input(step, masks, codes, hint)
    assert x.shape[1] == hints + 3 + 1 + 3
    network = context_network(SMALL.entropy, step, code_width=3, hints=hints, outputs=7)
    found = gather_parameters(step, network(x), masks[step.granularity])
    assert found.shape == (int(pass_cells(step, masks[step.granularity]).sum()), 7)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 7), (6, 4)])
@ALL_STEPS
def test_parameters_come_in_raster_order_of_their_cells(step: Pass, height: int, width: int) -> None:
    mask = noise(2, 1, height, width) < 0.6
    places = torch.arange(2 * height * width).view(2, 1, height, width)
    output = places
    if step.phases == 4:
        row, column = step.offset
        output = F.pad(places, (0, width % 2, 0, height % 2))[..., row::2, column::2]
    assert gather_parameters(step, output, mask)[:, 0].tolist() == places[pass_cells(step, mask)].tolist()
