"""Winograd's convolution gives what PyTorch's does, gradients included."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvqcgic.models.winograd import is_faster, winograd


def outputs_and_gradients(function: object, *inputs: Tensor) -> list[Tensor]:
    leaves = [value.clone().requires_grad_() for value in inputs]
    y = function(*leaves)  # pyright: ignore[reportCallIssue]
    weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    return [y.detach(), *torch.autograd.grad((y * weight).sum(), leaves)]


@pytest.mark.parametrize("shape", [(1, 4, 4), (2, 8, 12), (3, 32, 16)])
@pytest.mark.parametrize("channels", [(80, 80), (48, 96)])
def test_same_outputs_and_gradients_as_pytorch(shape: tuple[int, int, int], channels: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    batch, height, width = shape
    inputs, outputs = channels
    x = torch.randn(batch, inputs, height, width, generator=generator)
    weight = torch.randn(outputs, inputs, 3, 3, generator=generator)
    bias = torch.randn(outputs, generator=generator)
    found = outputs_and_gradients(winograd, x, weight, bias)
    expected = outputs_and_gradients(lambda *values: F.conv2d(*values, padding=1), x, weight, bias)
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() <= 3e-5 * other.abs().max()


def test_an_input_without_gradient_gets_none() -> None:
    x = torch.randn(1, 48, 4, 4)
    convolution = nn.Conv2d(48, 48, 3, padding=1)
    assert convolution.bias is not None
    winograd(x, convolution.weight, convolution.bias).sum().backward()
    assert x.grad is None
    assert convolution.weight.grad is not None


def test_fixed_weights_get_no_gradient_and_the_input_gets_the_same() -> None:
    x = torch.randn(1, 48, 8, 8, requires_grad=True)
    convolution = nn.Conv2d(48, 48, 3, padding=1).requires_grad_(False)
    assert convolution.bias is not None
    (found,) = torch.autograd.grad(winograd(x, convolution.weight, convolution.bias).square().sum(), x)
    (expected,) = torch.autograd.grad(convolution(x).square().sum(), x)
    assert (found - expected).abs().max() <= 3e-5 * expected.abs().max()


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((1, 64, 8, 8), torch.float32, True),
        ((1, 64, 8, 6), torch.float32, False),
        ((1, 64, 8, 8), torch.float64, False),
        ((1, 32, 8, 8), torch.float32, False),
    ],
)
def test_where_it_is_used(shape: tuple[int, ...], dtype: torch.dtype, expected: bool) -> None:
    convolution = nn.Conv2d(shape[1], shape[1], 3, padding=1)
    assert is_faster(torch.zeros(shape, dtype=dtype), convolution) is expected


def test_not_used_where_autocast_asks_for_half_precision() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert not is_faster(torch.zeros(1, 64, 8, 8), nn.Conv2d(64, 64, 3, padding=1))
