"""`python -m hvqcgic.sweep` by one worker: both kinds of trial, what they leave, going on, and its refusals."""

import csv
import json
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData  # pyright: ignore[reportAttributeAccessIssue]

import hvqcgic
from hvqcgic.evaluation.cli import main as evaluate
from hvqcgic.rate_control.ratio_path import ratios
from hvqcgic.sweep.cli import main
from hvqcgic.sweep.storage import opened_storage
from hvqcgic.training.checkpoints import read_checkpoint
from hvqcgic.training.cli import main as train
from tests.command_calls import Call, caller
from tests.random_model import random_picture
from tests.sweep.conftest import free_port


@pytest.fixture
def sweep(capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls the command in this process, whose threads stay as many as they were."""

    def run(arguments: list[str]) -> int:
        threads = torch.get_num_threads()
        code = main(arguments)
        torch.set_num_threads(threads)
        return code

    return caller(run, capsys)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_sweep_from_its_first_trial_to_its_best_model(sweep: Call, config: Path, tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    said = sweep("--config", config, "--trials", 6, "--json")
    assert (said.code, said.err) == (0, "")
    outcome = json.loads(said.out)
    assert outcome["trials"] == {"measured": 6, "pruned": 0, "failed": {}, "retried": 0}
    rows = read_csv(out / "trials.csv")
    assert [row["kind"] for row in rows] == ["evaluate", "evaluate", "train", "evaluate", "evaluate", "train"]
    assert {row["trial"] for row in rows if row["front"] == "1"} == {str(e["number"]) for e in outcome["front"]}
    assert (out / "front.png").is_file()
    _check_trained_trial(out / "trials/0002")
    point = json.loads((out / "best/middle/point.json").read_text())
    assert point["number"] == outcome["best"]["middle"]["number"]

    more = sweep("--config", config, "--trials", 7)
    assert (more.code, more.err) == (0, "")
    assert [row["trial"] for row in read_csv(out / "trials.csv")] == list("0123456")
    assert "7 trials measured" in more.out
    assert [row | {"front": ""} for row in read_csv(out / "trials.csv")[:6]] == [row | {"front": ""} for row in rows]
    shares = read_csv(out / "importances.csv")
    assert {row["objective"] for row in shares} == {"front", "bpp", "psnr_db"}
    for objective in ("front", "bpp", "psnr_db"):
        found = [float(row["importance"]) for row in shares if row["objective"] == objective]
        assert sum(found) == pytest.approx(1)
    # Fewer than there are: nothing is done, and what there is is told of the first ones.
    assert "4 trials measured" in sweep("--config", config, "--trials", 4).out


def test_a_number_of_jobs_reaches_the_evaluator(sweep: Call, config: Path, tmp_path: Path) -> None:
    said = sweep("--config", config, "--trials", 1, "--jobs", 1)
    assert (said.code, said.err) == (0, "")
    assert yaml.safe_load((tmp_path / "sweep/trials/0000/evaluate.yaml").read_text())["jobs"] == 1


def _check_trained_trial(folder: Path) -> None:
    """A trial's checkpoint, model, charts and configurations."""
    checkpoint = read_checkpoint(folder / "joint.ckpt")
    options = yaml.safe_load((folder / "train.yaml").read_text())
    assert options["precision"] == "32-true"  # equal on every worker
    assert checkpoint["hyper_parameters"]["training"]["lmbda"] == options["lambda"]
    assert checkpoint["step_index"] == 2
    codec = hvqcgic.load(folder / "model.safetensors", device="cpu")
    assert codec.decompress(codec.compress(random_picture(32, 16, seed=1))).size == (32, 16)
    events = EventAccumulator(str(folder)).Reload()
    about = json.loads((folder / "trial.json").read_text())
    assert events.Scalars("trial/bpp")[0].value == pytest.approx(about["numbers"]["bpp"])
    assert events.Scalars("trial/saving_percent")[0].value == pytest.approx(about["numbers"]["saving_percent"])
    assert [event.step for event in events.Scalars("check/psnr_db")] == [1, 2]
    assert about["checks"].keys() == {"1", "2"}
    data = HParamsPluginData.FromString(events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
    row = {name.partition(" ")[2]: value for name, value in data.session_start_info.hparams.items()}
    assert {"lambda", "place", "model.default_ratios"} <= row.keys()
    assert row["kind"].string_value == "train"
    shares = [row[name].number_value for name in ("fine", "medium", "coarse")]
    # The pictures have 20 areas of a coarse cell each.
    assert shares == pytest.approx(ratios(about["params"]["place"]), abs=0.05)
    assert list((folder / "joint").glob("events.*"))


def test_a_trial_can_be_done_again_from_its_configurations(
    sweep: Call, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep("--config", config, "--trials", 1, "--train_share", 1).code == 0
    folder = tmp_path / "sweep/trials/0000"
    assert train(["--config", str(folder / "train.yaml"), "--out", str(tmp_path / "again")]) == 0
    first, again = (read_checkpoint(path / "joint.ckpt")["state_dict"] for path in (folder, tmp_path / "again"))
    assert all(torch.equal(first[name], again[name]) for name in first)
    capsys.readouterr()
    assert evaluate(["--config", str(folder / "evaluate.yaml"), "--out", str(tmp_path / "measured"), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)["points"][0]
    numbers = json.loads((folder / "trial.json").read_text())["numbers"]
    assert measured["bpp"] == numbers["bpp"]
    assert measured["metrics"]["psnr_db"] == pytest.approx(numbers["psnr_db"])


def test_trials_with_equal_training_options_share_one_training(sweep: Call, config: Path, tmp_path: Path) -> None:
    values = yaml.safe_load(config.read_text()) | {"train_share": 1}
    values["train"]["lambda"] = {"choices": [0.003, 0.03]}
    del values["train"]["model"]
    config.write_text(yaml.safe_dump(values))
    said = sweep("--config", config, "--trials", 5, "--json")
    assert (said.code, said.err) == (0, "")
    rows = read_csv(tmp_path / "sweep/trials.csv")
    assert {row["kind"] for row in rows} == {"train"}
    assert len({row["place"] for row in rows}) == 5
    models = sorted(path.parent.name for path in (tmp_path / "sweep/trials").glob("*/model.safetensors"))
    firsts = {row["lambda"]: f"{int(row['trial']):04}" for row in reversed(rows)}
    assert models == sorted(firsts.values())
    assert len(models) == 2
    for row in rows:
        assert f"trials/{firsts[row['lambda']]}/model.safetensors" in row["codec"]


def test_a_training_that_another_beat_is_pruned(
    sweep: Call, config: Path, tmp_path: Path, tiny_model_path: Path
) -> None:
    values = yaml.safe_load(config.read_text()) | {"prune": {"dominated_by": 1}, "train_share": 0.5}
    values["train"]["training"]["steps"] = 3
    values["train"]["init"] = [str(tiny_model_path)]  # A model file starts a training as a checkpoint does.
    config.write_text(yaml.safe_dump(values))
    assert sweep("--config", config, "--trials", 1).code == 0
    # A training that nobody can beat takes the next place: better than any at step 2, and not measured at step 1.
    with opened_storage(f"sqlite:///{tmp_path}/sweep/study.db", 60) as storage:
        study = optuna.load_study(study_name="sweep", storage=storage)
        noted = study.trials[0].user_attrs | {"kind": "train", "checks": {"2": [1e-6, 99.0]}}
        study.add_trial(optuna.create_trial(values=study.trials[0].values, user_attrs=noted))
    said = sweep("--config", config, "--trials", 4, "--json")
    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out)["trials"] == {"measured": 3, "pruned": 1, "failed": {}, "retried": 0}
    pruned = tmp_path / "sweep/trials/0003"
    about = json.loads((pruned / "trial.json").read_text())
    assert (about["kind"], list(about["checks"]), about["numbers"]) == ("train", ["1", "2"], {})
    assert [event.step for event in EventAccumulator(str(pruned)).Reload().Scalars("check/bpp")] == [1, 2]
    assert not (pruned / "model.safetensors").exists()


def test_trials_that_fail_are_named_and_count(sweep: Call, config: Path) -> None:
    values = yaml.safe_load(config.read_text())
    # Random weights are out of reach of such qualities.
    values["evaluate"] = {"model": values["evaluate"]["model"], "psnr": {"low": 55, "high": 60}}
    config.write_text(yaml.safe_dump(values))
    said = sweep("--config", config, "--trials", 2, "--train_share", 0)
    assert said.code == 1
    lines = said.err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["hvqcgic"] * 2
    assert ["trial 0 failed" in lines[0], "trial 1 failed" in lines[1]] == [True, True]
    assert "0 trials measured, 0 pruned, 2 failed" in said.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--trialz", "3"], "--trialz"),
        (["--trials", "0"], "trials"),
        (["--config", "nothing.yaml"], "nothing.yaml"),
        (["--objectives", "[bpp]"], "objectives bpp"),
        (["--objectives", "[bpp, lpips]"], "objective 'lpips' is unknown"),
        (["--evaluate.etta", "0.1"], "evaluate.etta is unknown (did you mean eta?)"),
        (["--evaluate.model", "tinny"], "unknown model 'tinny' (did you mean tiny?)"),
        (["--evaluate.granularity", "rdd"], "evaluate.granularity 'rdd' is unknown"),
        (["--evaluate.eta={low: 1, high: 0}"], "evaluate.eta is"),
        (["--train.training.stepz", "4"], "does not accept option 'stepz'"),
        (["--train.training.ema_decay", "2"], "--training.ema_decay is 2"),
        (["--train.stage", "backbone"], "train.stage is backbone"),
        (["--train.out", "x"], "train.out is set"),
        (["--train_share", "2"], "--train_share is 2"),
        (["--prune.after", "-1"], "--prune.after is -1"),
        (["--pictures", "nowhere"], "nowhere"),
        (["--best", '{"a/b": {"at": "bpp", "value": 0.2, "best": "psnr_db"}}'], "best point 'a/b'"),
        (["--best", '{"a": {"at": "dists", "value": 0.2, "best": "psnr_db"}}'], "'dists' is no objective"),
        (["--storage", "sqlite:////nowhere/at/all.db"], "--storage sqlite:////nowhere/at/all.db: cannot be reached"),
        (["--storage", "postgresql://me:secret@127.0.0.1:{port}/x"], "me:***@127.0.0.1"),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(
    arguments: list[str], said: str, sweep: Call, config: Path, tmp_path: Path
) -> None:
    port = free_port()
    answer = sweep(
        "--config", config, "--trials", 2, *(argument.replace("{port}", str(port)) for argument in arguments)
    )
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("\n") == 1
    assert said in answer.err
    assert not (tmp_path / "sweep").exists()


def test_a_key_of_the_file_that_does_not_exist_is_named(sweep: Call, config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text() + "trialls: 3\n")
    answer = sweep("--config", config)
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert "trialls" in answer.err


def test_a_study_of_other_objectives_is_refused(sweep: Call, config: Path, tmp_path: Path) -> None:
    assert sweep("--config", config, "--trials", 1).code == 0
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    changes: list[tuple[list[Any], str]] = [
        (
            ["--objectives", "[bpp, ms_ssim]", "--best", "{}"],
            "has objectives bpp, psnr_db, this sweep has bpp, ms_ssim",
        ),
        (["--evaluate.eta", "0.1"], "has evaluate"),
    ]
    for arguments, said in changes:
        answer = sweep("--config", config, "--trials", 2, *arguments)
        assert answer.code == 2
        assert answer.err.count("\n") == 1
        assert said in answer.err
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == before
