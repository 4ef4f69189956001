"""Muon: steps of hidden convolutions are orthogonal, all others are AdamW's, and a resumed training repeats itself."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hvqcgic.training.module import HvqModule
from hvqcgic.training.muon import RMS, Muon, orthogonal, split_hidden
from hvqcgic.training.optimisation import make_optimisers
from hvqcgic.training.stages import Machine, run_stage
from tests.random_model import small_config
from tests.training.small_training import Pictures, saved, settings, squared

HIDDEN = {"3x3": (24, 20, 3, 3), "widening": (96, 20, 1, 1)}
OTHERS = {"bias": (24,), "of pictures": (24, 12, 3, 3), "of codes": (4, 24, 3, 3), "table": (64, 24)}


def weights() -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    shapes = HIDDEN | OTHERS
    return {name: nn.Parameter(torch.randn(shape, generator=generator)) for name, shape in shapes.items()}


def gradients(step: int) -> dict[str, Tensor]:
    """Matrices whose singular values, but for those of `OTHERS`, lie 30 times apart, and differ from step to step."""
    generator = torch.Generator().manual_seed(1 + step)
    found = {name: torch.randn(shape, generator=generator) for name, shape in OTHERS.items()}
    for name, shape in HIDDEN.items():
        u, values, v = torch.linalg.svd(torch.randn(shape, generator=generator).flatten(1), full_matrices=False)
        found[name] = (u * torch.logspace(0, -1.5, len(values)) @ v).view(shape)
    return found


def optimiser(kind: str, held: dict[str, nn.Parameter]) -> torch.optim.Optimizer:
    groups = [{"params": list(held.values()), "lr": 0.01, "base_lr": 0.01}]
    return make_optimisers(groups, None, settings(optimiser=kind, weight_decay=0.0))[0]


def take_steps(
    made: torch.optim.Optimizer, held: dict[str, nn.Parameter], steps: range, *, bfloat16: bool = False
) -> None:
    for step in steps:
        for name, gradient in gradients(step).items():
            held[name].grad = gradient
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            made.step()


@pytest.mark.parametrize("name", HIDDEN)
def test_a_step_of_a_hidden_convolution_is_orthogonal_along_its_gradient(name: str) -> None:
    held, before = weights(), weights()
    take_steps(optimiser("muon", held), held, range(1))
    moved = (before[name] - held[name]).detach().flatten(1) / (0.01 * RMS * max(held[name].flatten(1).shape) ** 0.5)
    u, values, v = torch.linalg.svd(gradients(0)[name].flatten(1), full_matrices=False)
    assert values.max() / values.min() > 30
    along = u.mT @ moved @ v.mT
    assert 0.65 < along.diag().min() < along.diag().max() < 1.25
    assert torch.allclose(along, along.diag().diag(), atol=1e-3)
    # And nothing beside these directions.
    assert torch.allclose(moved, u @ along @ v, atol=1e-3)


def test_five_steps_on_the_gram_matrix_are_those_of_newton_and_schulz() -> None:
    a, b, c = 3.4445, -4.7750, 2.0315
    matrix = gradients(0)["3x3"].flatten(1)
    x = matrix.double() / matrix.double().norm()
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    assert torch.allclose(orthogonal(matrix), x.float(), atol=1e-5)
    assert torch.equal(orthogonal(torch.zeros(20, 30)), torch.zeros(20, 30))


@pytest.mark.parametrize("name", HIDDEN)
def test_without_a_gradient_momentum_carries_the_last_step_on(name: str) -> None:
    held = weights()
    made = optimiser("muon", held)
    take_steps(made, held, range(1))
    between = held[name].detach().clone()
    first = between - weights()[name]
    for weight in held.values():
        weight.grad = torch.zeros_like(weight)
    made.step()
    assert first.abs().max() > 2e-3
    assert torch.allclose(held[name] - between, first, atol=1e-5)


def test_steps_within_a_training_in_bfloat16_are_the_same() -> None:
    held, plain = weights(), weights()
    take_steps(optimiser("muon", plain), plain, range(2))
    take_steps(optimiser("muon", held), held, range(2), bfloat16=True)
    assert all(torch.equal(held[name], plain[name]) for name in held)


def test_all_other_weights_move_as_with_adamw() -> None:
    held, plain = weights(), weights()
    take_steps(optimiser("muon", held), held, range(3))
    take_steps(optimiser("adamw", plain), plain, range(3))
    for name in OTHERS:
        assert torch.equal(held[name], plain[name]), name
        assert not torch.equal(held[name], weights()[name]), name
    assert not any(torch.allclose(held[name], plain[name], atol=1e-3) for name in HIDDEN)


def test_a_loaded_state_goes_on_bit_for_bit() -> None:
    straight, cut = weights(), weights()
    take_steps(optimiser("muon", straight), straight, range(5))
    first = optimiser("muon", cut)
    take_steps(first, cut, range(3))
    buffer = io.BytesIO()
    torch.save(first.state_dict(), buffer)
    second = optimiser("muon", cut)
    second.load_state_dict(torch.load(io.BytesIO(buffer.getvalue()), weights_only=True))
    take_steps(second, cut, range(3, 5))
    for name, weight in straight.items():
        assert torch.equal(weight, cut[name]), name


def module(**changes: Any) -> HvqModule:
    """Networks that have hidden convolutions."""
    torch.manual_seed(0)
    small = small_config()
    networks = replace(small.backbone, encoder_widths=(8, 20, 20, 20), decoder_widths=(8, 20, 20, 20))
    return HvqModule(replace(small, backbone=networks), settings(optimiser="muon", **changes), "backbone", squared)


def test_the_schedule_moves_both_kinds_of_groups() -> None:
    made = module(learning_rate=1e-3)
    found = make_optimisers(made.groups(), None, made.options)[0]
    assert isinstance(found, Muon)
    assert [(group["hidden"], group["base_lr"]) for group in found.param_groups] == [(False, 1e-3), (True, 1e-3)]
    names = {id(weight): name for name, weight in made.named_parameters()}
    hidden = {names[id(weight)] for weight in found.param_groups[1]["params"]}
    assert "model.encoder.downs.1.weight" in hidden
    assert not [name for name in hidden if "picture" in name or "heads" in name or "bias" in name]
    assert sum(len(group["params"]) for group in split_hidden(made.groups())) == len(made.trained)


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(picture_folder: Path, tmp_path: Path) -> None:
    run_stage(module(), Pictures(picture_folder), Machine(tmp_path / "straight", "cpu"))
    cut = Machine(tmp_path / "cut", "cpu", resume=True)
    with pytest.raises(SystemExit):
        run_stage(module(), Pictures(picture_folder, interrupt_at=2), cut)
    assert saved(tmp_path / "cut/backbone.ckpt")["step_index"] == 3
    run_stage(module(), Pictures(picture_folder), cut)
    straight, resumed = (saved(tmp_path / name / "backbone.ckpt") for name in ("straight", "cut"))
    assert straight["step_index"] == resumed["step_index"] == 6
    name = "model.encoder.downs.1.weight"
    assert not torch.equal(straight["state_dict"][name], module().state_dict()[name])
    for name, value in straight["state_dict"].items():
        assert torch.equal(value, resumed["state_dict"][name]), name
