"""Averaged checkpoints: weights are means, a training and an export start from them, and other models are refused."""

from pathlib import Path

import average_checkpoints
import pytest
import torch

from hvqcgic.model_files.registry import RECORD_KEY
from hvqcgic.training.average import CHECKPOINT_KEY
from hvqcgic.training.export import load_module
from hvqcgic.training.module import HvqModule
from hvqcgic.training.starts import load_weights
from tests.training.small_training import module, saved, settings, write_checkpoint

NAME = "model.decoder.to_picture.weight"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "first.ckpt", tmp_path / "second.ckpt"
    for number, path in enumerate(paths):
        made = module("joint", settings())
        made.get_parameter(NAME).data.add_(number)
        write_checkpoint(path, made, "joint")
    return paths


def run(*arguments: object) -> int:
    return average_checkpoints.main([str(argument) for argument in arguments])


def weight(path: Path) -> torch.Tensor:
    return saved(path)["state_dict"][NAME]


def test_weights_are_means(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    out = pair[0].with_name("mean.ckpt")
    assert run(*pair, "-o", out) == 0
    assert capsys.readouterr().out == f"{out}: the mean of 2 checkpoints\n"
    assert not torch.equal(weight(pair[0]), weight(pair[1]))
    torch.testing.assert_close(weight(out), (weight(pair[0]) + weight(pair[1])) / 2)
    assert run(f"{pair[0]}=3", pair[1], "-o", out, "--force") == 0
    torch.testing.assert_close(weight(out), 0.75 * weight(pair[0]) + 0.25 * weight(pair[1]))


def test_a_training_starts_from_it(pair: tuple[Path, Path]) -> None:
    out = pair[0].with_name("mean.ckpt")
    assert run(*pair, "-o", out) == 0
    made = load_module(out)
    started = HvqModule(made.model.config, settings(), "joint", None)
    load_weights(started, [out])
    assert torch.equal(started.state_dict()[NAME], weight(out))


def test_moving_averages_are_what_is_averaged(pair: tuple[Path, Path]) -> None:
    content = saved(pair[1])
    content[CHECKPOINT_KEY] = {"updates": 1, "weights": {NAME: weight(pair[1]) + 2}}
    torch.save(content, pair[1])
    out = pair[0].with_name("mean.ckpt")
    assert run(*pair, "-o", out) == 0
    torch.testing.assert_close(weight(out), (weight(pair[0]) + weight(pair[1])) / 2 + 1)
    assert CHECKPOINT_KEY not in saved(out)


def test_it_says_what_all_of_them_were_trained_on(pair: tuple[Path, Path]) -> None:
    for path, line in zip(pair, ("joint, 1 steps: cats 2", "joint, 2 steps: dogs 3"), strict=True):
        content = saved(path)
        content[RECORD_KEY] = [line]
        torch.save(content, path)
    out = pair[0].with_name("mean.ckpt")
    assert run(*pair, "-o", out) == 0
    assert saved(out)[RECORD_KEY] == ["joint, 1 steps: cats 2", "joint, 2 steps: dogs 3"]


def test_bad_input_is_one_line(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    out, other = pair[0].with_name("mean.ckpt"), pair[0].with_name("other.ckpt")
    content = saved(pair[0])
    content["hyper_parameters"]["model"]["codebook_size"] = 8
    torch.save(content, other)
    for arguments, text in (
        ((pair[0], pair[0].with_name("absent.ckpt")), "absent.ckpt: not a checkpoint of hvqcgic"),
        ((pair[0], other), "other.ckpt: not of the model of"),
        ((pair[0], f"{pair[1]}=0"), "the share '0' is no number above 0"),
        ((pair[0], f"{pair[1]}=half"), "the share 'half' is no number above 0"),
    ):
        assert run(*arguments, "-o", out) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("average_checkpoints: ")
        assert text in line
        assert not out.exists()
    assert run(*pair, "-o", pair[1], "--force") == 2
    assert "is the input itself" in capsys.readouterr().err
