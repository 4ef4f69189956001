from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from hvqcgic.entropy.exact_layers import Convolution, Precision, freeze_network
from hvqcgic.entropy.exact_network import ExactNetwork
from hvqcgic.errors import ModelError

PRECISION = Precision()
ONE = 2.0**PRECISION.activation_bits


def conv(seed: int, inputs: int, outputs: int, kernel: int, *, stride: int = 1, gain: float = 1.0) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    weight = gain * rng.normal(size=(outputs, inputs, kernel, kernel)) / np.sqrt(inputs * kernel * kernel)
    half = kernel // 2
    return "conv", weight, rng.normal(size=outputs) * 0.2, stride, (half, half, half, half)


def network(layers: list[tuple[Any, ...]], inputs: int, bound: float = 8.0) -> ExactNetwork:
    spec, arrays = freeze_network("net", layers, PRECISION)
    return ExactNetwork("net", spec, arrays, precision=PRECISION, input_bound=np.full(inputs, bound * ONE))


def integers(seed: int, *shape: int, largest: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    limit = int(largest * ONE)
    return torch.randint(-limit, limit + 1, shape, generator=generator).double()


def float_twin(layers: list[tuple[Any, ...]], x: torch.Tensor) -> torch.Tensor:
    """The network in float64 without rounding, as training runs it."""
    for kind, *values in layers:
        if kind == "conv":
            weight, bias, stride, pad = values
            x = F.conv2d(F.pad(x, pad), torch.from_numpy(weight), torch.from_numpy(bias), stride=stride)
            x = x.clamp(-32, 32)
        elif kind == "leaky":
            x = F.leaky_relu(x, 2.0 ** -values[0])
        elif kind == "shuffle":
            x = F.pixel_shuffle(x, 2)
        else:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
    return x


ALL_LAYERS = [
    conv(1, 3, 8, 5, stride=2),
    ("leaky", 3),
    conv(2, 8, 8, 3, gain=4),
    ("shuffle",),
    ("leaky", 1),
    conv(3, 2, 4, 1),
    ("upsample",),
    conv(4, 4, 5, 3),
]


def test_agrees_with_the_float_network() -> None:
    x = integers(0, 2, 3, 12, 10)
    found = network(ALL_LAYERS, 3).forward(x) / ONE
    expected = float_twin(ALL_LAYERS, x / ONE)
    assert found.shape == expected.shape
    assert expected.abs().max() > 1
    assert (found - expected).abs().max() < 0.02


def test_rounds_half_up_and_shifts_down() -> None:
    weight = np.array([[[[0.5]]]])
    halves = network([("conv", weight, np.zeros(1), 1, (0, 0, 0, 0))], 1)
    assert halves.forward(torch.tensor([[[[3.0, -3.0, 1.0, -1.0]]]]).double()).flatten().tolist() == [2, -1, 1, 0]
    leaky = network([("leaky", 3)], 1)
    assert leaky.forward(torch.tensor([[[[9.0, -9.0, -8.0]]]]).double()).flatten().tolist() == [9, -2, -1]


def test_activations_are_clamped() -> None:
    loud = network([("conv", np.array([[[[100.0]]]]), np.zeros(1), 1, (0, 0, 0, 0))], 1)
    assert loud.forward(torch.tensor([[[[ONE, -ONE]]]]).double()).flatten().tolist() == [32 * ONE, -32 * ONE]
    assert loud.output_bound.tolist() == [32 * ONE]


@settings(max_examples=40)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99), st.sampled_from([1, 2]), st.booleans())
def test_some_positions_equal_the_whole_plane(h: int, w: int, seed: int, stride: int, enlarged: bool) -> None:
    layers = [
        *([("upsample",)] if enlarged else []),
        *(conv(1, 3, 6, 5, stride=stride), ("leaky", 3), conv(2, 6, 6, 3), ("leaky", 3), conv(3, 6, 4, 1)),
    ]
    net = network(layers, 3)
    x = integers(seed, 3, h, w)
    whole = net.forward(x[None])[0]
    chosen = torch.rand(whole.shape[1:], generator=torch.Generator().manual_seed(seed)) < 0.4
    rows, columns = torch.nonzero(chosen, as_tuple=True)
    assert torch.equal(net.forward_at(x, rows, columns), whole[:, rows, columns].t())


@settings(max_examples=40)
@given(st.integers(6, 20), st.integers(0, 99), st.integers(1, 9), st.sampled_from(["mixed", "down", "up"]))
def test_some_rows_equal_the_whole_plane_and_need_no_others(height: int, first: int, count: int, kind: str) -> None:
    blocks = {
        "mixed": ALL_LAYERS,
        "down": [conv(1, 3, 4, 5, stride=2), ("leaky", 3), conv(2, 4, 4, 3), conv(3, 4, 4, 1)],
        "up": [conv(1, 3, 16, 3), ("leaky", 3), ("shuffle",), conv(2, 4, 16, 3), ("shuffle",)],
    }
    net, x = network(blocks[kind], 3), integers(first, 3, 2 * height, 6)
    whole = net.forward(x[None])[0]
    first %= whole.shape[1]
    stop = min(first + count, whole.shape[1])
    expected = whole[:, first:stop]
    assert torch.equal(net.forward_rows(x, first, stop), expected)
    window = net.window(first, stop, 2 * height)
    disturbed = integers(first + 1, *x.shape)
    disturbed[:, window.start : window.stop] = x[:, window.start : window.stop]
    assert torch.equal(net.forward(disturbed[None])[0][:, first:stop], expected)


@pytest.fixture
def torch_settings() -> Iterator[None]:
    before = torch.get_num_threads(), torch._C._get_mkldnn_enabled()
    yield
    torch.set_num_threads(before[0])
    torch._C._set_mkldnn_enabled(before[1])


@pytest.mark.usefixtures("torch_settings")
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("onednn", [True, False])
def test_same_integers_with_any_threads_and_library(n_threads: int, onednn: bool) -> None:
    net, x = network(ALL_LAYERS, 3), integers(5, 1, 3, 64, 48)
    torch.set_num_threads(1)
    expected = net.forward(x)
    torch.set_num_threads(n_threads)
    torch._C._set_mkldnn_enabled(onednn)
    assert torch.equal(net.forward(x), expected)
    assert torch.equal(net.forward(x.contiguous(memory_format=torch.channels_last)), expected)


def test_same_integers_alone_and_in_a_batch() -> None:
    net, x = network(ALL_LAYERS, 3), integers(6, 4, 3, 32, 24)
    whole = net.forward(x)
    for item in range(4):
        assert torch.equal(net.forward(x[item : item + 1])[0], whole[item])


def test_same_integers_in_any_order_of_summation() -> None:
    order = np.random.default_rng(0).permutation(64)
    kind, weight, *rest = conv(7, 64, 16, 5)
    plain, shuffled = network([(kind, weight, *rest)], 64), network([(kind, weight[:, order], *rest)], 64)
    x = integers(7, 1, 64, 20, 20)
    assert torch.equal(plain.forward(x), shuffled.forward(x[:, torch.from_numpy(order)]))
    rows, columns = torch.arange(20), torch.arange(20)
    expected = plain.forward_at(x[0], rows, columns)
    assert torch.equal(shuffled.forward_at(x[0][torch.from_numpy(order)], rows, columns), expected)


def test_float32_sums_would_differ() -> None:
    # The tests of exactness above would be worthless if the same network were exact in float32 too.
    net, x = network(ALL_LAYERS, 3), integers(8, 1, 3, 64, 48)
    first = net.layers[0]
    assert isinstance(first, Convolution)
    exact = F.conv2d(x, first.weight, first.bias)
    assert not torch.equal(F.conv2d(x.float(), first.weight.float(), first.bias.float()).double(), exact)


def test_bound_is_reached_and_never_exceeded() -> None:
    layers = [conv(9, 4, 6, 3)]
    net = network(layers, 4, bound=2.0)
    first = net.layers[0]
    assert isinstance(first, Convolution)
    worst = 2 * ONE * first.weight[0].sign() * first.bias[0].sign()
    found = net.forward(worst[None])[0, 0, 1, 1].abs().item()
    assert net.output_bound[0] - 2 <= found <= net.output_bound[0]


def test_a_network_that_could_overflow_is_refused_by_name() -> None:
    # 2^17 (activations) * 2^14 * 2^10 (weight) * 2^10 (channels) = 2^51
    wide = ("conv", np.full((1, 1024, 1, 1), 1024.0), np.zeros(1), 1, (0, 0, 0, 0))
    spec, arrays = freeze_network("context.fine/2", [conv(0, 2, 1024, 1), wide], PRECISION)
    with pytest.raises(ModelError, match=r"context\.fine/2\.conv1: sums may reach 2\^5\d\.\d, exact are 2\^50"):
        ExactNetwork("context.fine/2", spec, arrays, precision=PRECISION, input_bound=np.full(2, 1e6 * ONE))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([("gelu",)], r"net: layer 'gelu' has no integer form"),
        ([conv(0, 5, 2, 3)], r"net\.conv0 takes 5 channels, its input has 3"),
        ([("shuffle",)], r"net: pixel shuffle needs a multiple of 4 channels, found 3"),
        ([("conv", np.full((1, 3, 1, 1), np.nan), np.zeros(1), 1, (0, 0, 0, 0))], r"net\.conv0\.weight .* not finite"),
        ([("conv", np.ones((1, 3, 1, 1)), np.zeros(2), 1, (0, 0, 0, 0))], r"net\.conv0: weight .* do not fit"),
        ([("conv", np.ones((1, 3, 1, 1)), np.zeros(1), 3, (0, 0, 0, 0))], r"net: layer\.stride is 3; use one of 1, 2"),
    ],
)
def test_what_cannot_be_frozen_is_refused(layers: list[tuple[Any, ...]], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        network(layers, 3)


def test_an_unknown_layer_in_a_file_is_refused() -> None:
    with pytest.raises(ModelError, match=r"net: layer\.kind is 'gelu'"):
        ExactNetwork("net", [{"kind": "gelu"}], {}, precision=PRECISION, input_bound=np.ones(3))
