"""Distortions of squares against what they should be by hand."""

import numpy as np
import pytest
import torch

from hvqcgic.perceptual.squares import CONTRAST_WEIGHT, square_distortions


def test_squared_error_and_change_of_contrast_of_each_square() -> None:
    generator = torch.Generator().manual_seed(0)
    original, decoded = (torch.rand(2, 3, 16, 24, generator=generator) for _ in range(2))
    found = square_distortions(original, decoded)
    assert found.shape == (2, 2, 3)
    inside = (1, slice(None), slice(8, 16), slice(16, 24))
    one, other = (each[inside].numpy().astype(np.float64) for each in (original, decoded))
    contrast = [np.einsum("c,chw->hw", [0.299, 0.587, 0.114], each).std() for each in (one, other)]
    wanted = np.square(one - other).sum() + 3 * 64 * CONTRAST_WEIGHT * (contrast[0] - contrast[1]) ** 2
    assert float(found[1, 1, 2]) == pytest.approx(wanted, rel=1e-4)


def test_the_gradient_of_even_squares_is_finite() -> None:
    decoded = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    square_distortions(torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)), decoded).sum().backward()
    assert decoded.grad is not None
    assert bool(decoded.grad.isfinite().all())
    assert bool((decoded.grad != 0).any())
