"""Wider networks from trained ones: they compute the same, and a training starts from them."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from hvqcgic.training.export import load_module
from hvqcgic.training.module import HvqModule
from hvqcgic.training.rate import estimate_rate
from hvqcgic.training.starts import load_weights
from tests.training.small_training import module, settings, write_checkpoint
from tools import resize_networks

WIDER = (
    *("--model.backbone.encoder_widths", "[12, 20, 24, 24]", "--model.backbone.decoder_widths", "[16, 24, 32, 24]"),
    *("--model.backbone.encoder_blocks", "[1, 2, 2, 1]", "--model.backbone.decoder_blocks", "[2, 2, 3, 1]"),
    *("--model.entropy.context_width", "24"),
)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "joint.ckpt"
    write_checkpoint(path, module("joint", settings()), "joint")
    return path


def run(checkpoint: Path, *options: str) -> Path:
    out = checkpoint.with_name("resized.ckpt")
    assert resize_networks.main([str(checkpoint), "-o", str(out), *options]) == 0
    return out


@torch.no_grad()
def picture_and_bits(made: HvqModule, picture: Tensor) -> tuple[Tensor, Tensor]:
    """What the decoder draws, and the bits of the indices."""
    model, generator = made.model, torch.Generator().manual_seed(1)
    masks = made.masks(picture, generator)
    features = model.encoder(picture)
    codes = model.quantise(features, masks)
    bits = estimate_rate(model, made.priors, features, masks, codes).index_bits
    return model.reconstruct(codes.maps, masks), bits


def test_wider_networks_compute_what_the_narrow_ones_did(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(checkpoint, *WIDER)
    old, new = load_module(checkpoint), load_module(out)
    assert new.model.config.entropy.context_width == 24
    assert capsys.readouterr().out.endswith(
        f" {sum(w.numel() for w in new.model.parameters())} weights in place of "
        f"{sum(w.numel() for w in old.model.parameters())}\n"
    )
    picture = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for mine, theirs in zip(picture_and_bits(new, picture), picture_and_bits(old, picture), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_what_is_new_is_trained(checkpoint: Path) -> None:
    new = load_module(run(checkpoint, *WIDER)).train()
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    features = new.model.encoder(picture)
    masks = new.masks(picture, torch.Generator().manual_seed(1))
    codes = new.model.quantise(features, masks)
    drawn = new.model.reconstruct(codes.maps, masks)
    (drawn.square().mean() + estimate_rate(new.model, new.priors, features, masks, codes).index_bits).backward()
    old = load_module(checkpoint).model
    for network in ("encoder", "decoder", "context"):
        before = dict(getattr(old, network).named_parameters())
        for name, weight in getattr(new.model, network).named_parameters():
            if weight.ndim > 1 and name in before and weight.shape[1] > before[name].shape[1]:
                assert weight.grad is not None
                assert weight.grad[: len(before[name]), before[name].shape[1] :].abs().max() > 0, name


def test_blocks_can_be_left_out_and_a_training_starts_from_that(checkpoint: Path) -> None:
    out = run(checkpoint, "--model.backbone.decoder_blocks", "[0, 0, 0, 0]")
    new = load_module(out)
    assert not [name for name in new.state_dict() if name.startswith("model.decoder.stages")]
    started = HvqModule(new.model.config, settings(), "joint", None)
    load_weights(started, [out])
    stem = started.state_dict()["model.decoder.stem.weight"]
    assert torch.equal(stem, load_module(checkpoint).state_dict()["model.decoder.stem.weight"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "change --model.backbone.encoder_widths"),
        (("--model.codebook_size", "128"), "and nothing else of the model"),
        (("--model.entropy.context_width", "2"), "channels only grow"),
        (("--model.backbone.depth", "2"), "depth"),
    ],
)
def test_what_cannot_be_is_one_line(
    checkpoint: Path, options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = checkpoint.with_name("resized.ckpt")
    assert resize_networks.main([str(checkpoint), "-o", str(out), *options]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("resize_networks: ")
    assert said in shown
    assert shown.count("\n") == 1
    assert not out.exists()
