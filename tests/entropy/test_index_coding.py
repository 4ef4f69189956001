from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hvqcgic.bitstream.schedule import GRANULARITIES
from hvqcgic.entropy import EntropyModel
from hvqcgic.entropy.index_coding import PassCells
from hvqcgic.entropy.masks import CELLS_PER_SIDE, regrid

SCHEDULES = (
    ("coarse", "medium", "fine"),
    ("coarse/0", "coarse/1", "medium/0", "medium/1", "fine/0", "fine/1"),
    ("coarse/0", "coarse/1", "coarse/2", "coarse/3", "medium", "fine/0", "fine/1", "fine/2", "fine/3"),
)


def load(frozen: Any) -> EntropyModel:
    return EntropyModel(frozen.spec, frozen.arrays)


def naive_input(model: EntropyModel, picture: Any, step: Any, done: dict[str, NDArray]) -> NDArray[np.float64]:
    """What the network of a pass sees, cell by cell: hints, codes, known, masks, on the grid of its granularity."""
    granularity = step.granularity
    h, w = picture.masks[granularity].shape
    side = CELLS_PER_SIDE[granularity]
    d = model.walk.embeddings.shape[1]
    codes, known = np.zeros((d, h, w)), np.zeros((1, h, w))
    for own in GRANULARITIES:
        ranks = np.cumsum(picture.masks[own]).reshape(picture.masks[own].shape) - 1
        scale = side // CELLS_PER_SIDE[own]
        for row in range(h):
            for column in range(w):
                if scale and picture.masks[own][row // scale, column // scale]:
                    rank = ranks[row // scale, column // scale]
                    if done[own][rank]:
                        codes[:, row, column] = model.walk.embeddings[picture.indices[own][rank]].numpy()
                        known[0, row, column] = 4096
    hints = []
    if granularity in model.walk.synthesis[granularity]:
        sent = model.hyper_latents.sent(picture.masks, picture.z)[granularity]
        plane = model.walk.synthesis[granularity][granularity].forward(torch.from_numpy(sent * 4096.0)[None])[0]
        hints = [plane.numpy()[:, :h, :w]]
    masks = np.stack([regrid(picture.masks[g], g, granularity) for g in GRANULARITIES]) * 4096.0
    return np.concatenate([*hints, codes, known, masks])


@pytest.mark.parametrize("band_positions", [1, 100, 10**6])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_pass_sees_what_the_format_says(
    schedule: tuple[str, ...], band_positions: int, make_model: Callable[..., Any], make_picture: Callable[..., Any]
) -> None:
    frozen = make_model(schedule=schedule)
    model, picture = load(frozen), make_picture(frozen, 5, 7, (0.4, 0.5))
    model.walk.band_positions = band_positions
    done = {g: np.zeros(picture.masks.count(g), np.bool_) for g in GRANULARITIES}
    pending: list[PassCells] = []
    names = []

    def resolve(cells: PassCells) -> NDArray[Any]:
        step = cells.step
        if names and names[-1] != step.name:
            for earlier in pending:
                done[earlier.step.granularity][earlier.ranks] = True
            pending.clear()
        seen = torch.from_numpy(naive_input(model, picture, step, done))
        row, column = step.offset if step.phases == 4 else (0, 0)
        stride = 2 if step.phases == 4 else 1
        padded = torch.nn.functional.pad(seen, (0, seen.shape[2] % stride, 0, seen.shape[1] % stride))
        plane = model.walk.context[step.name].forward(padded[None])[0]
        found = plane[:, (cells.rows - row) // stride, (cells.columns - column) // stride].t()
        assert torch.equal(cells.parameters, found)
        assert not done[step.granularity][cells.ranks].any()
        pending.append(cells)
        names.append(step.name)
        return picture.indices[step.granularity][cells.ranks]

    result = model.walk.run(picture.masks, model.hyper_latents.sent(picture.masks, picture.z), resolve)
    assert list(dict.fromkeys(names)) == list(schedule)
    assert (len(names) > len(schedule)) == (band_positions < 10**6)
    for granularity in GRANULARITIES:
        np.testing.assert_array_equal(result.indices[granularity], picture.indices[granularity])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_bands_code_every_cell_once_and_in_order(
    schedule: tuple[str, ...], make_model: Callable[..., Any], make_picture: Callable[..., Any]
) -> None:
    frozen = make_model(schedule=schedule, decoder_prior=True)
    whole, banded, picture = load(frozen), load(frozen), make_picture(frozen, 5, 7, (0.4, 0.5))
    banded.walk.band_positions = 1
    parts = picture.masks, picture.indices, picture.z
    sections = whole.encode(*parts, mode="adaptive").sections
    assert banded.encode(*parts, mode="adaptive").sections == sections
    h16, w16, n_coarse, n_medium = picture.grid
    one, other = (model.decode(h16, w16, n_coarse, n_medium, sections, mode="adaptive") for model in (whole, banded))
    assert one.parameters is not None
    assert other.parameters is not None
    for granularity in GRANULARITIES:
        np.testing.assert_array_equal(other.indices[granularity], picture.indices[granularity])
        np.testing.assert_array_equal(other.parameters[granularity], one.parameters[granularity])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_no_pass_sees_itself_or_the_future(
    schedule: tuple[str, ...], make_model: Callable[..., Any], make_picture: Callable[..., Any]
) -> None:
    frozen = make_model(schedule=schedule)
    model, picture = load(frozen), make_picture(frozen, 4, 5, (0.3, 0.5))
    told = model.frequencies(picture.masks, picture.indices, picture.z)
    assert [t.name for t in told] == list(schedule)
    for first, start in enumerate(told):
        disturbed = {g: values.copy() for g, values in picture.indices.items()}
        for later in told[first:]:
            values = disturbed[later.name.split("/")[0]]
            values[later.ranks] = (values[later.ranks] + 1 + later.ranks % 11) % 13
        again = model.frequencies(picture.masks, disturbed, picture.z)
        for before, after in zip(told[: first + 1], again[: first + 1], strict=True):
            np.testing.assert_array_equal(after.frequencies, before.frequencies)
        if first + 1 < len(told):
            assert not np.array_equal(again[first + 1].frequencies, told[first + 1].frequencies), start.name


def test_only_z_that_is_sent_matters(
    model: EntropyModel, picture: Any, make_picture: Callable[..., Any], frozen: Any
) -> None:
    empty = make_picture(frozen, 4, 4, (0.0, 0.5))  # no coarse cells: none of their z is sent
    other = {g: values + (g == "coarse") for g, values in empty.z.items()}
    bounded = {g: np.clip(values, -31, 31) for g, values in other.items()}
    assert model.encode(empty.masks, empty.indices, bounded, mode="adaptive") == model.encode(
        empty.masks, empty.indices, empty.z, mode="adaptive"
    )
    changed = {g: np.clip(values + 1, -31, 31) for g, values in picture.z.items()}
    before, after = (model.frequencies(picture.masks, picture.indices, z)[0].frequencies for z in (picture.z, changed))
    assert not np.array_equal(before, after)


def test_parameters_are_those_of_the_passes(make_model: Callable[..., Any], make_picture: Callable[..., Any]) -> None:
    frozen = make_model(decoder_prior=True)
    model, picture = load(frozen), make_picture(frozen, 3, 3, (0.3, 0.5))
    numbers = model.parameters(picture.masks, picture.indices, picture.z)
    for told in model.frequencies(picture.masks, picture.indices, picture.z):
        granularity = told.name.split("/")[0]
        cells = torch.from_numpy(numbers[granularity][:, told.ranks].T * 4096.0).double()
        chunk = next(model.prior.chunks(cells, granularity))
        np.testing.assert_array_equal(chunk.frequencies, told.frequencies)
