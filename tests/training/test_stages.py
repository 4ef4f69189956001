"""Stages on a very small model: they run, learn, start from one another, and a resumed one goes on bit for bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hvqcgic.errors import ConfigError
from hvqcgic.training.config import Stage
from hvqcgic.training.stages import Machine, make_trainer, run_stage
from tests.random_model import random_model, small_config
from tests.training.small_training import Pictures, Recorder, module, saved, settings, write_checkpoint


def assert_equal(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a["step_index"] == b["step_index"]
    assert a["state_dict"].keys() == b["state_dict"].keys()
    for name, value in a["state_dict"].items():
        assert torch.equal(value, b["state_dict"][name]), name
    moments = [[state["exp_avg"] for state in x["optimizer_states"][0]["state"].values()] for x in (a, b)]
    assert moments[0]
    assert all(torch.equal(x, y) for x, y in zip(*moments, strict=True))


@pytest.mark.parametrize("stage", ["backbone", "joint"])
def test_runs_of_one_seed_agree_and_an_interrupted_one_goes_on_as_if_it_had_not_been(
    picture_folder: Path, tmp_path: Path, stage: Stage
) -> None:
    options = settings(adversarial_weight=0.5 if stage == "joint" else 0.0)
    start = [tmp_path / "start.ckpt"]
    write_checkpoint(start[0], module("joint", options), "joint")
    for name in ("straight", "again"):
        run_stage(module(stage, options), Pictures(picture_folder), Machine(tmp_path / name, "cpu"), start=start)
    straight, again = (saved(tmp_path / name / f"{stage}.ckpt") for name in ("straight", "again"))
    assert straight["step_index"] == 6
    assert_equal(straight, again)

    cut, checkpoint = Machine(tmp_path / "cut", "cpu", resume=True), tmp_path / "cut" / f"{stage}.ckpt"
    with pytest.raises(SystemExit):
        run_stage(module(stage, options), Pictures(picture_folder, interrupt_at=2), cut, start=start)
    assert saved(checkpoint)["step_index"] == 3
    assert run_stage(module(stage, options), Pictures(picture_folder), cut) is not None
    assert_equal(saved(checkpoint), straight)
    assert run_stage(module(stage, options), Pictures(picture_folder), cut) is None


def test_the_loss_falls_on_one_picture(picture_folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    only = np.stack(
        [np.broadcast_to(ramp, (64, 64)), np.broadcast_to(ramp[:, None], (64, 64)), np.full((64, 64), 40)], 2
    )
    (tmp_path / "one").mkdir()
    Image.fromarray(only.astype(np.uint8)).save(tmp_path / "one" / "ramp.png")
    options = settings(steps=60, learning_rate=1e-2, codebook_start=20, favoured_share=1.0)
    recorder = Recorder(small_config(), options, "backbone", None)
    pictures = Pictures(tmp_path / "one", val=str(picture_folder), downscale=1.0)
    run_stage(recorder, pictures, Machine(tmp_path, "cpu"))
    assert len(recorder.losses) == 60
    assert bool(recorder.model.quantiser.initialised)
    assert sum(recorder.losses[-5:]) < 0.5 * sum(recorder.losses[:5])


def test_the_rate_falls_when_the_entropy_networks_are_fitted(picture_folder: Path, tmp_path: Path) -> None:
    source = random_model()
    start = tmp_path / "backbone.ckpt"
    write_checkpoint(start, module("joint", settings()), "backbone")
    recorder = Recorder(source.model.config, settings(steps=30, entropy_learning_rate=5e-3), "hyperprior", None)
    run_stage(recorder, Pictures(picture_folder, downscale=1.0), Machine(tmp_path / "out", "cpu"), start=[start])
    assert sum(recorder.losses[-5:]) < 0.97 * sum(recorder.losses[:5])
    after = recorder.model.state_dict()
    unchanged = [name for name in after if name.startswith(("encoder", "decoder", "quantiser.codebook"))]
    assert all(torch.equal(after[name], source.model.state_dict()[name]) for name in unchanged)


@pytest.mark.parametrize(
    ("changes", "form"),
    [
        ({"lpips_weight": 0.0}, "diagonal"),
        ({}, "quadratic"),
        ({"rate_gradient": "none", "rdo_choice": 0.2}, "learned"),
        ({"usage_weight": 1.0, "rdo_choice": 0.2, "rdo_warmup": 4}, "mahalanobis"),
        ({"adversarial_weight": 0.5, "adversarial_start": 100}, "learned"),
        ({"precision": "bf16-mixed"}, "learned"),
    ],
)
def test_settings_of_stage_joint_change_the_encoder(
    picture_folder: Path, tmp_path: Path, changes: dict[str, Any], form: str
) -> None:
    machine = Machine(tmp_path, "cpu", changes.get("precision", "32-true"))
    options = settings(steps=2, **{name: value for name, value in changes.items() if name != "precision"})
    trained = module("joint", options, form=form)
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    write_checkpoint(tmp_path / "start.ckpt", trained, "joint")
    result = run_stage(trained, Pictures(picture_folder), machine, start=[tmp_path / "start.ckpt"])
    assert result is not None
    changed = {name for name, value in trained.state_dict().items() if not torch.equal(value, before[name])}
    assert {"model.encoder.stem.weight", "model.prior.log_prior", "model.quantiser.codebook"} <= changed
    if "adversarial_weight" in changes:  # it starts at once in stage joint
        assert any(name.startswith("discriminator") for name in changed)
        assert 0 < result.metrics["loss/adversarial_weight"] <= 1


@pytest.mark.parametrize(("stage", "comes_back"), [("backbone", True), ("joint", False)])
def test_stage_joint_revives_no_code(picture_folder: Path, tmp_path: Path, stage: Stage, comes_back: bool) -> None:
    trained = module(stage, settings(steps=1, codebook_decay=0.5))
    quantiser = trained.model.quantiser
    quantiser.codebook[0], quantiser.cluster_size[0], quantiser.cluster_sum[0] = 1e3, 1e-4, 0.1
    write_checkpoint(tmp_path / "start.ckpt", trained, "joint")
    run_stage(trained, Pictures(picture_folder), Machine(tmp_path, "cpu"), start=[tmp_path / "start.ckpt"])
    assert (float(quantiser.codebook[0].max()) < 100) == comes_back


def test_a_training_is_not_replaced_unasked(picture_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "backbone.ckpt").write_text("a day's work")
    with pytest.raises(ConfigError, match="there is a training already"):
        run_stage(module("backbone", settings()), Pictures(picture_folder), Machine(tmp_path, "cpu"))
    assert (tmp_path / "backbone.ckpt").read_text() == "a day's work"


def test_other_networks_are_not_resumed(picture_folder: Path, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "joint.ckpt", module("joint", settings()), "joint")
    machine = Machine(tmp_path, "cpu", resume=True)
    with pytest.raises(ConfigError, match="resume with the options of that run"):
        run_stage(module("joint", settings(), form="diagonal"), Pictures(picture_folder), machine)


@pytest.mark.parametrize(("accelerator", "precision"), [("abacus", "32-true"), ("cpu", "7-bit")])
def test_an_unknown_machine_is_one_line(tmp_path: Path, accelerator: str, precision: str) -> None:
    with pytest.raises(ConfigError, match=f"{accelerator} --precision {precision}: not to be had") as caught:
        make_trainer("joint", settings(), Machine(tmp_path, accelerator, precision))
    assert "\n" not in str(caught.value)


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="default_ratios"):
        type(small_config()).from_dict(small_config().to_dict() | {"default_ratios": (0.5, 0.4, 0.4)})
