"""Terms of the loss against what they should be by hand."""

import math

import pytest
import torch

from hvqcgic.entropy.index_prior import FREQUENCY_BITS
from hvqcgic.training.losses import discriminator_loss, with_adversary
from hvqcgic.training.rate_gradient import soft_assignment, soft_bits, usage_bits


def test_the_soft_choice_of_a_far_code_costs_that_codes_bits_and_pulls_towards_cheap_ones() -> None:
    codebook = torch.tensor([[0.0], [1.0]])
    logits = torch.log2(torch.tensor([[0.9, 0.1]]))
    assert float(soft_bits(soft_assignment(torch.tensor([[0.0]]), codebook, 1e-3), logits)) == pytest.approx(
        -math.log2(0.9), abs=1e-3
    )
    y = torch.tensor([[0.6]], requires_grad=True)
    soft_bits(soft_assignment(y, codebook, 1.0), logits).sum().backward()
    assert y.grad is not None
    assert float(y.grad) > 0  # down the gradient lies the likely code


def test_a_code_costs_at_most_what_files_can_charge_for_it() -> None:
    codebook = torch.tensor([[0.0], [1.0]])
    y = torch.tensor([[0.5]], requires_grad=True)
    far = soft_bits(soft_assignment(y, codebook, 1.0), torch.tensor([[0.0, -5000.0]]))
    assert far.item() == pytest.approx(FREQUENCY_BITS / 2, rel=1e-5)
    far.sum().backward()
    near = torch.tensor([[0.5]], requires_grad=True)
    dearest = torch.tensor([[0.0, -float(FREQUENCY_BITS)]])
    soft_bits(soft_assignment(near, codebook, 1.0), dearest).sum().backward()
    torch.testing.assert_close(y.grad, near.grad)


def test_bits_of_global_use_are_those_of_a_static_code() -> None:
    two_of_four = torch.tensor([[1.0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]])
    halves = usage_bits(two_of_four, torch.tensor([1.0, 1.0, 2.0]))
    assert halves.item() == pytest.approx(4)  # four cells of one bit each
    assert usage_bits(two_of_four, torch.tensor([1.0, 1.0, 0.0])).item() == pytest.approx(0)
    assert usage_bits(two_of_four[:0], torch.zeros(0)).item() == 0


def test_hinge_loss_is_zero_only_beyond_the_margin() -> None:
    assert float(discriminator_loss(torch.tensor([1.5]), torch.tensor([-1.5]))) == 0
    assert float(discriminator_loss(torch.tensor([0.0]), torch.tensor([0.0]))) == 1


def test_the_adversarial_gradient_is_held_at_its_share_of_the_distortions() -> None:
    before, layer = (torch.nn.Parameter(torch.tensor([1.0, 2.0]) * factor) for factor in (1.0, 3.0))

    def losses() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        decoded = before.square() * layer
        return decoded, (decoded * 0.03).sum(), (decoded * 4).sum()

    decoded, distortion_loss, adversarial_loss = losses()
    found = with_adversary(decoded, distortion_loss, adversarial_loss, layer, 0.5)
    assert found.weight.item() * 4 == pytest.approx(0.5 * 0.03)
    assert found.total.item() == pytest.approx(distortion_loss.item() + found.weight.item() * adversarial_loss.item())
    gradients = torch.autograd.grad(found.total, (before, layer))
    _, distortion_loss, adversarial_loss = losses()
    wanted = torch.autograd.grad(distortion_loss + found.weight * adversarial_loss, (before, layer))
    assert all(torch.allclose(one, other) for one, other in zip(gradients, wanted, strict=True))
