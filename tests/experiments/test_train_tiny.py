"""The recipe of the bundled models, a step or two of each training."""

import importlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import hvqcgic
from hvqcgic import export
from hvqcgic.models.config import BackboneConfig
from hvqcgic.training import cli
from hvqcgic.training.export import load_module
from tools import average_checkpoints, resize_codebook, resize_networks

RECIPE = Path(__file__).parents[2] / "experiments/reference_models"
PROGRAMS = {
    "tools.average_checkpoints": average_checkpoints.main,
    "hvqcgic.train": cli.main,
    "hvqcgic.export": export.main,
    "tools.resize_codebook": resize_codebook.main,
    "tools.resize_networks": resize_networks.main,
}
SMALL = ["--perceptual=none", "--further_perceptual=[]", "--accelerator=cpu", "--threads=1"]
SMALL += ["--pictures.crop_px=32", "--pictures.batch_size=2", "--training.codebook_start=1"]
SMALL += ["--training.validation_pictures=1", "--training.file_pictures=1"]


def in_this_process(module: str, arguments: Sequence[str]) -> int:
    return PROGRAMS[module](list(arguments))


def same_encoder(*checkpoints: str) -> bool:
    """Whether two checkpoints would export the same encoder."""
    first, second = (load_module(path).model.encoder.state_dict() for path in checkpoints)
    return all(torch.equal(weight, second[name]) for name, weight in first.items())


@pytest.mark.slow
def test_each_training_starts_from_those_before_it_and_is_not_taken_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(RECIPE))
    monkeypatch.chdir(tmp_path)
    recipe = importlib.import_module("train_tiny")
    noise = np.random.default_rng(0).integers(0, 256, (4, 48, 64, 3), np.uint8)
    Path("pictures").mkdir()
    for name, picture in enumerate(noise):
        Image.fromarray(picture).save(f"pictures/{name}.png")
    command = ["--data", "pictures", "--val", "pictures", "--out", "out", "--scale", "0.0002", "--", *SMALL]
    assert recipe.main(command, in_this_process) == 0
    said = capsys.readouterr().out
    assert "== w0: stage backbone, 2 steps\n" in said
    assert "== w44: stage joint, 1 steps\n" in said
    assert same_encoder("out/w23/hyperprior.ckpt", "out/w22/backbone.ckpt")
    assert not same_encoder("out/w23/hyperprior.ckpt", "out/finer-e0.ckpt")
    assert same_encoder("out/w33/hyperprior.ckpt", "out/w31/backbone.ckpt")
    assert not same_encoder("out/w33/hyperprior.ckpt", "out/w30/hyperprior.ckpt")
    assert same_encoder("out/w38/hyperprior.ckpt", "out/w35/backbone.ckpt")
    assert same_encoder("out/w42/hyperprior.ckpt", "out/w41/backbone.ckpt")
    assert not same_encoder("out/w44/joint.ckpt", "out/w43/hyperprior.ckpt")
    assert same_encoder("out/w59/hyperprior.ckpt", "out/mean-3.ckpt")
    assert not same_encoder("out/w59/hyperprior.ckpt", "out/mean-2.ckpt")
    last = load_module("out/w59/hyperprior.ckpt").model.config
    assert last.backbone == BackboneConfig()
    assert (last.entropy.z_channels, last.entropy.activation_limit) == ((8, 8, 8), 10)
    assert load_module("out/w33/hyperprior.ckpt").model.config.entropy.activation_limit == 32
    assert load_module("out/w23/hyperprior.ckpt").model.config.means is None
    codec = hvqcgic.load(tmp_path / "out/tiny.safetensors")
    assert codec.compress(noise[0])
    assert codec.decompress(codec.compress(noise[0]), steps=1).size == (64, 48)
    assert codec.networks.proxy is not None
    joint = hvqcgic.load(tmp_path / "out/tiny-joint.safetensors")
    assert joint.proxy_fingerprint == codec.proxy_fingerprint
    assert joint.fingerprint != codec.fingerprint
    assert hvqcgic.load(tmp_path / "out/tiny-frozen.safetensors").compress(noise[0], coding="static-huffman")
    paper = hvqcgic.load(tmp_path / "out/tiny-hvq.safetensors")
    assert paper.decompress(paper.compress(noise[0])).size == (64, 48)
    assert paper.config.entropy.z_channels == (4, 4, 4)
    assert (paper.config.entropy.hyperprior, paper.config.entropy.z_footprint) == ("convolutional", 4)
    assert (paper.config.entropy.embedding, paper.config.entropy.context) == ("codebook", False)
    assert same_encoder("out/h6/hyperprior.ckpt", "out/w31/backbone.ckpt")
    assert same_encoder("out/h9/hyperprior.ckpt", "out/w35/backbone.ckpt")
    assert not same_encoder("out/h10/joint.ckpt", "out/w35/backbone.ckpt")
    assert same_encoder("out/h11/hyperprior.ckpt", "out/w41/backbone.ckpt")
    # One of each stage and tool: they are done again, or not, each for itself.
    kinds = {getattr(step, "stage", None) or step.tool: step for step in recipe.RECIPE}
    assert len(kinds) == 8
    monkeypatch.setattr(recipe, "RECIPE", tuple(kinds.values()))
    written = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.ckpt")}
    assert recipe.main(command, in_this_process) == 0
    assert {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.ckpt")} == written


def test_a_failed_training_ends_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(RECIPE))
    recipe = importlib.import_module("train_tiny")
    command = ["--data", str(tmp_path / "none"), "--val", str(tmp_path), "--out", str(tmp_path / "out")]
    assert recipe.main([*command, "--", *SMALL], in_this_process) == 2
    assert not (tmp_path / "out/w1").exists()
