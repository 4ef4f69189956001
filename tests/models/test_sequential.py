import numpy as np
import pytest
import torch
from torch import nn

from hvqcgic.models.sequential import ClampedConv, PowerLeaky, describe
from tests.models.small import noise


@pytest.mark.parametrize("offset", [(0, 0), (1, 1), (0, 1), (1, 0)])
def test_a_strided_convolution_is_centred_on_its_phase(offset: tuple[int, int]) -> None:
    conv = ClampedConv(1, 1, 5, stride=2, offset=offset)
    with torch.no_grad():
        conv.convolution.weight.zero_()[0, 0, 2, 2] = 1
        assert conv.convolution.bias is not None
        conv.convolution.bias.zero_()
    x = noise(1, 1, 6, 8)
    assert torch.equal(conv(x), x[..., offset[0] :: 2, offset[1] :: 2])


def test_centred_inputs_are_read_at_the_middle_alone() -> None:
    conv, x = ClampedConv(3, 4, 5, centred=2), noise(1, 3, 6, 8)
    moved = x.clone()
    moved[:, :2, 2, 3] += 1
    changed = (conv(moved) != conv(x)).any(1)[0]
    assert torch.nonzero(changed).tolist() == [[2, 3]]
    moved = x.clone()
    moved[:, 2, 2, 3] += 1
    assert int((conv(moved) != conv(x)).any(1).sum()) == 25
    described = describe(nn.Sequential(conv))[0][1]
    assert isinstance(described, np.ndarray)
    assert int((described[:, :2] != 0).sum()) == 8


def test_results_are_clamped() -> None:
    conv = ClampedConv(1, 1, 1)
    with torch.no_grad():
        conv.convolution.weight.fill_(100)
        assert conv.convolution.bias is not None
        conv.convolution.bias.zero_()
    assert conv(torch.tensor([-1.0, 0.25, 1.0]).view(1, 1, 1, 3)).flatten().tolist() == [-32, 25, 32]


def test_the_leaky_slope_is_a_power_of_two() -> None:
    assert PowerLeaky()(torch.tensor([-8.0, 0.0, 5.0])).tolist() == [-1, 0, 5]


def test_a_description_holds_all_that_an_integer_twin_needs() -> None:
    network = nn.Sequential(
        ClampedConv(3, 8, 5, stride=2, offset=(1, 0)), PowerLeaky(), nn.PixelShuffle(2), ClampedConv(2, 4, 3)
    )
    first, leaky, shuffle, last = describe(network)
    kind, weight, bias, stride, pad = first
    assert (kind, stride, pad) == ("conv", 2, (2, 2, 1, 3))
    assert isinstance(weight, np.ndarray)
    assert isinstance(bias, np.ndarray)
    assert (weight.dtype, weight.shape, bias.shape) == (np.float64, (8, 3, 5, 5), (8,))
    np.testing.assert_array_equal(weight, network[0].convolution.weight.detach().numpy())  # pyright: ignore
    assert (leaky, shuffle, last[3:]) == (("leaky", 3), ("shuffle",), (1, (1, 1, 1, 1)))


def test_a_layer_without_integer_twin_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="SiLU has no integer twin"):
        describe(nn.Sequential(ClampedConv(3, 8, 1), nn.SiLU()))
