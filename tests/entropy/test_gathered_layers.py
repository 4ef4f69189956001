from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from hvqcgic.entropy import exact_layers
from hvqcgic.entropy.exact_layers import Convolution, Precision, freeze_network, output_bounds, read_layers
from hvqcgic.entropy.exact_network import ExactNetwork
from hvqcgic.entropy.gathered_layers import GATHER_ROWS, GatheredLayers, Positions
from hvqcgic.model_files import read_model

PRECISION = Precision()
ONE = 2.0**PRECISION.activation_bits


def conv(seed: int, inputs: int, outputs: int, kernel: int, stride: int = 1) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(outputs, inputs, kernel, kernel)) / np.sqrt(inputs * kernel * kernel)
    return "conv", weight, rng.normal(size=outputs), stride, (kernel // 2,) * 4


CONTEXT = [conv(0, 3, 8, 5, 2), ("leaky", 3), conv(1, 8, 8, 3), ("leaky", 3), conv(2, 8, 8, 1), ("leaky", 3)]
LAYERS = [*CONTEXT, conv(3, 8, 4, 1)]


def network(layers: list[tuple[Any, ...]]) -> ExactNetwork:
    spec, arrays = freeze_network("net", layers, PRECISION)
    return ExactNetwork("net", spec, arrays, precision=PRECISION, input_bound=np.full(3, 8 * ONE))


def plane(height: int, width: int) -> torch.Tensor:
    limit = int(8 * ONE)
    return torch.randint(-limit, limit, (3, height, width), generator=torch.Generator().manual_seed(0)).double()


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.4, 1.0])
def test_some_positions_of_a_large_plane_equal_the_whole(share: float) -> None:
    net, x = network(LAYERS), plane(70, 90)
    whole = net.forward(x[None])[0]
    rows, columns = torch.nonzero(torch.rand(whole.shape[1:]) < share, as_tuple=True)
    assert torch.equal(net.forward_at(x, rows, columns), whole[:, rows, columns].t())


@pytest.mark.usefixtures("three_threads")
def test_threads_share_the_positions() -> None:
    net, x = network(LAYERS), plane(70, 90)
    whole = net.forward(x[None])[0]
    rows, columns = torch.nonzero(torch.ones(whole.shape[1:]), as_tuple=True)
    assert len(rows) > 3 * GATHER_ROWS
    assert torch.equal(net.forward_at(x, rows, columns), whole[:, rows, columns].t())
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("layers", [[("leaky", 3), *LAYERS], [("leaky", 2)], [conv(4, 3, 5, 1), ("leaky", 1)], CONTEXT])
def test_networks_of_other_orders_of_layers(layers: list[tuple[Any, ...]]) -> None:
    net, x = network(layers), plane(8, 12)
    given = x.clone()
    whole = net.forward(x[None])[0]
    rows, columns = torch.tensor([0, 1, 3]), torch.tensor([2, 0, 5])
    assert torch.equal(net.forward_at(x, rows, columns), whole[:, rows, columns].t())
    assert torch.equal(x, given)


def centred(count: int, stride: int) -> tuple[Any, ...]:
    """A convolution whose first inputs are read at the middle alone."""
    kind, weight, *rest = conv(5, 3, 8, 5, stride)
    middle = weight[:, :count, 2, 2].copy()
    weight[:, :count] = 0
    weight[:, :count, 2, 2] = middle
    return kind, weight, *rest


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_inputs_that_are_read_at_the_middle_alone(count: int, stride: int) -> None:
    net, x = network([centred(count, stride), *LAYERS[1:]]), plane(40, 60)
    head = net.layers[0]
    assert isinstance(head, Convolution)
    assert head.centred_inputs() == min(count, 2)
    whole = net.forward(x[None])[0]
    rows, columns = torch.nonzero(torch.rand(whole.shape[1:]) < 0.4, as_tuple=True)
    assert torch.equal(net.forward_at(x, rows, columns), whole[:, rows, columns].t())


def test_what_a_convolution_sees() -> None:
    (layer,) = read_layers("net", *freeze_network("net", [conv(0, 3, 4, 3, 2)], PRECISION))
    assert isinstance(layer, Convolution)
    seen = Positions(2, 2, torch.tensor([1]), torch.tensor([0])).seen_through(layer, (4, 4))
    assert sorted(zip(seen.rows.tolist(), seen.columns.tolist(), strict=True)) == [
        (1, 0),
        (1, 1),
        (2, 0),
        (2, 1),
        (3, 0),
        (3, 1),
    ]


def test_usual_grids_leave_float32_behind() -> None:
    (layer,) = read_layers("net", *freeze_network("net", [conv(0, 24, 64, 5)], PRECISION))
    bound, largest = output_bounds("net", [layer], PRECISION, np.full(24, 8 * ONE))
    assert largest > 2.0**24 * 8
    assert bound.max() <= PRECISION.clamp


COARSE = Precision(6, 5)


def coarse_network() -> ExactNetwork:
    spec, arrays = freeze_network("net", LAYERS, COARSE)
    return ExactNetwork("net", spec, arrays, precision=COARSE, input_bound=np.full(3, 8.0 * 2**6))


def types_of_products(monkeypatch: pytest.MonkeyPatch) -> set[torch.dtype]:
    found: set[torch.dtype] = set()

    def product(weight: torch.Tensor, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        found.add(weight.dtype)
        return torch.addmm(bias, weight, x)

    monkeypatch.setattr(exact_layers, "exact_product", product)
    return found


def test_coarse_grids_are_computed_in_float32_to_the_same_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    net, used = coarse_network(), types_of_products(monkeypatch)
    x = torch.randint(-512, 512, (3, 40, 30), generator=torch.Generator().manual_seed(0)).double()
    whole = net.forward(x[None])[0]
    rows, columns = torch.nonzero(torch.ones(whole.shape[1:]), as_tuple=True)
    assert torch.equal(net.forward_at(x, rows, columns), whole[:, rows, columns].t())
    assert used == {torch.float32}
    assert whole.dtype == torch.float64


def test_float32_is_left_where_a_program_allows_less(monkeypatch: pytest.MonkeyPatch) -> None:
    net, used = coarse_network(), types_of_products(monkeypatch)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        net.forward_at(torch.zeros(3, 8, 8, dtype=torch.float64), torch.zeros(1).long(), torch.zeros(1).long())
    finally:
        torch.set_float32_matmul_precision(before)
    assert used == {torch.float64}


def test_every_pass_of_the_bundled_model_runs_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[bool] = []
    create = GatheredLayers.__init__

    def noted(self: GatheredLayers, *arguments: Any, single: bool) -> None:
        found.append(single)
        create(self, *arguments, single=single)

    monkeypatch.setattr(GatheredLayers, "__init__", noted)
    read_model("tiny").entropy_model()
    assert len(found) >= 7
    assert all(found)
