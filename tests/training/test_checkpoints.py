"""Checkpoints that hold nonsense: one line, before anything is built of them."""

from pathlib import Path
from typing import Any

import pytest
import torch

from hvqcgic.errors import ConfigError
from hvqcgic.training.checkpoints import read_checkpoint
from hvqcgic.training.config import TrainingConfig
from hvqcgic.training.export import load_module
from hvqcgic.training.module import HvqModule
from hvqcgic.training.starts import start_facts
from tests.random_model import small_config


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    module = HvqModule(small_config(), TrainingConfig(lmbda=0.25), "joint", None)
    return {"state_dict": dict(module.state_dict()), "hyper_parameters": dict(module.hparams), "step_index": 7}


def complaint(content: Any, path: Path) -> str:
    """What reading says, as weights and as a start; one line each that names the file."""
    torch.save(content, path)
    said = []
    for read in (load_module, start_facts):
        with pytest.raises(ConfigError) as caught:
            read(path)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert said[0].startswith(str(path))
    assert "\n" not in said[0]
    return said[0]


def test_a_checkpoint_says_what_it_is(content: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    torch.save(content, path)
    assert load_module(path).model.config == small_config()
    facts = start_facts(path)
    assert (facts.stage, facts.lmbda, facts.config) == ("joint", 0.25, small_config())


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("model", {"codebook_size": "many"}, "model.codebook_size is 'many'; use a whole number"),
        ("model", {"backbone": {"encoder_blocks": [10**7] * 4}}, "encoder_blocks is 10000000; use 0 to 32"),
        ("model", {"backbone": {"encoder_widths": [0] * 4}}, "encoder_widths is 0; use 1 to 1024"),
        ("model", {"backbone": {"decoder_widths": [1024] * 4, "decoder_blocks": [32] * 4}}, "million weights; use"),
        ("model", {"codebok_size": 3}, "unknown field 'codebok_size' (did you mean codebook_size?)"),
        ("training", {"steps": -1}, "--training.steps is -1; use at least 0"),
        ("training", {"lmbda": float("nan")}, "--lambda is nan; use a finite number of at least 0"),
        ("training", {"seed": 2**70}, "--training.seed is 1180591620717411303424; use 0 to"),
        ("training", {"speed": 1}, "TrainingConfig: unknown field 'speed'"),
    ],
)
def test_settings_out_of_range(
    content: dict[str, Any], tmp_path: Path, part: str, change: dict[str, Any], message: str
) -> None:
    settings = content["hyper_parameters"]
    changed = content | {"hyper_parameters": settings | {part: settings[part] | change}}
    assert message in complaint(changed, tmp_path / "x.ckpt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state_dict": None}, "checkpoint.state_dict is None; use a mapping from names"),
        ({"state_dict": {"a": 3}}, "checkpoint.state_dict.'a' is 3; use a Tensor"),
        ({"step_index": -1}, "checkpoint.step_index is -1; use at least 0"),
        ({"hyper_parameters": {"stage": "sideways", "training": {}}}, "hyper_parameters.stage is 'sideways'"),
        ({"hyper_parameters": {"stage": "joint"}}, "checkpoint.training is missing"),
        ({"hyper_parameters": [1]}, "checkpoint.hyper_parameters is [1]; use a mapping from names"),
    ],
)
def test_outlines_of_no_checkpoint(
    content: dict[str, Any], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    assert message in complaint(content | change, tmp_path / "x.ckpt")


def test_what_is_no_checkpoint_at_all(content: dict[str, Any], tmp_path: Path) -> None:
    for other in ([1, 2], 3, {"a": 1}, {key: content[key] for key in ("state_dict", "step_index")}):
        assert "not a checkpoint of hvqcgic" in complaint(other, tmp_path / "x.ckpt")
    with pytest.raises(ConfigError, match="there is no such file"):
        read_checkpoint(tmp_path / "absent.ckpt")
