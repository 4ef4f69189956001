"""`python -m hvqcgic.export` of a checkpoint of stage reverse, and that files decode as training saw them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import hvqcgic
from hvqcgic import export
from hvqcgic.model_files.frozen_model import read_model, write_model
from hvqcgic.training.reverse_export import half_precision_cost_db, load_reverse_module
from hvqcgic.training.reverse_module import SHOWN_STEPS, ReverseModule
from hvqcgic.training.thaw import thaw_networks
from tests.random_model import random_model, random_picture
from tests.random_reverse import random_reverse
from tests.training.small_training import settings


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    write_model(random_model().freeze(), path)
    return path


def checkpoint_behind(model: Path, path: Path) -> Path:
    """A checkpoint of a path whose network changes features."""
    frozen = read_model(model)
    path_networks = random_reverse(frozen.config)
    made = ReverseModule(thaw_networks(frozen), frozen.fingerprint, path_networks.config, settings(), None)
    made.reverse.load_state_dict(path_networks.state_dict())
    torch.save(
        {"state_dict": made.state_dict(), "hyper_parameters": dict(made.hparams), "step_index": 1, "average": {}}, path
    )
    return path


def test_a_file_decodes_as_training_measured_it(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = checkpoint_behind(model, model.with_name("reverse.ckpt"))
    beside = model.with_name("small-reverse.safetensors")
    pictures = model.parent / "pictures"
    pictures.mkdir()
    Image.fromarray(random_picture(96, 80, seed=2)).save(pictures / "one.png")
    assert export.main([str(checkpoint), "-o", str(beside), "--val", str(pictures)]) == 0
    assert "float16 costs" in capsys.readouterr().out
    pixels = random_picture(72, 64, seed=5)
    module = load_reverse_module(checkpoint, model)
    found = module.measure(torch.from_numpy(pixels).permute(2, 0, 1).float() / 255)
    codec = hvqcgic.load(model, device="cpu")
    data = codec.compress(pixels)
    for steps, decoded in zip(SHOWN_STEPS, found.decoded, strict=True):
        wanted = (decoded[0].permute(1, 2, 0) * 255).round().numpy()
        distance = np.abs(np.array(codec.decompress(data, steps=steps)).astype(float) - wanted)
        assert distance.mean() < 0.2, steps
        assert distance.max() <= 4, steps


def test_the_cost_of_half_precision_leaves_the_module_as_it_was(model: Path) -> None:
    from hvqcgic.model_files.reverse_file import freeze_reverse

    module = load_reverse_module(checkpoint_behind(model, model.with_name("reverse.ckpt")), model)
    before = {name: value.clone() for name, value in module.reverse.state_dict().items()}
    picture = torch.from_numpy(random_picture(72, 64, seed=5)).permute(2, 0, 1).float() / 255
    frozen = freeze_reverse(module.reverse, bytes.fromhex(module.hparams["fingerprint"]))
    assert abs(half_precision_cost_db(module, frozen, [picture])) < 0.05
    assert all(torch.equal(value, before[name]) for name, value in module.reverse.state_dict().items())


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        ("path.safetensors", "a reverse path is found by its name"),
        ("other-reverse.safetensors", "other.safetensors: not there"),
        ("strange-reverse.safetensors", "name the file of that model"),
    ],
)
def test_refusals_are_one_line(model: Path, output: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = checkpoint_behind(model, model.with_name("reverse.ckpt"))
    write_model(random_model(seed=1).freeze(), model.with_name("strange.safetensors"))
    assert export.main([str(checkpoint), "-o", str(model.with_name(output))]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
