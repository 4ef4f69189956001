"""Ranges, choices and fixed values."""

import json
from pathlib import Path
from typing import Any

import optuna
import pytest

from hvqcgic.errors import ConfigError
from hvqcgic.sweep.options import parse
from hvqcgic.sweep.space import Choice, Fixed, Range, describe, edges, flatten, nest, parse_space, swept

GIVEN = {
    "lambda": {"low": 0.001, "high": 0.1, "log": True},
    "training": {"steps": 40, "warmup_steps": {"low": 2, "high": 10, "whole": True, "step": 4}},
    "model.default_ratios": {"choices": [[0.5, 0.4, 0.1], [0, 0.5, 0.5]]},
    "init": ["tiny"],
}


def test_sections_are_flat_spaces() -> None:
    space = parse_space("train", GIVEN)
    assert space == {
        "lambda": Range(0.001, 0.1, log=True),
        "training.steps": Fixed(40),
        "training.warmup_steps": Range(2, 10, whole=True, step=4),
        "model.default_ratios": Choice(([0.5, 0.4, 0.1], [0, 0.5, 0.5])),
        "init": Fixed(["tiny"]),
    }
    assert swept(space) == ("lambda", "training.warmup_steps", "model.default_ratios")
    assert json.dumps(describe(space)) == json.dumps(describe(parse_space("train", GIVEN)))


def test_flat_names_become_nested_ones_and_back() -> None:
    flat = {"lambda": 0.1, "training.steps": 3, "training.seed": 1}
    assert nest(flat) == {"lambda": 0.1, "training": {"steps": 3, "seed": 1}}
    assert flatten(nest(flat)) == flat


def test_trials_get_values_of_the_kind_that_was_given() -> None:
    space = parse_space("train", GIVEN)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn: list[dict[str, Any]] = [
        {name: entry.suggest(trial, name) for name, entry in space.items()} for trial in map(study.ask, [None] * 30)
    ]
    assert {values["training.warmup_steps"] for values in drawn} == {2, 6, 10}
    assert {tuple(values["model.default_ratios"]) for values in drawn} == {(0.5, 0.4, 0.1), (0, 0.5, 0.5)}
    assert all(0.001 <= values["lambda"] <= 0.1 for values in drawn)
    assert sum(values["lambda"] < 0.01 for values in drawn) > 8  # half of them on a logarithmic scale, else 3
    assert all(values["init"] == ["tiny"] and values["training.steps"] == 40 for values in drawn)


def test_edges_are_the_first_and_last_values() -> None:
    first, last = edges(parse_space("train", GIVEN))
    assert (first["lambda"], last["lambda"]) == (0.001, 0.1)
    assert (first["training.warmup_steps"], last["training.warmup_steps"]) == (2, 10)
    assert last["model.default_ratios"] == [0, 0.5, 0.5]
    assert first["init"] == last["init"] == ["tiny"]


@pytest.mark.parametrize(
    "entry",
    [
        {"low": 1, "high": 1},
        {"low": 0, "high": 1, "log": True},
        {"low": 1},
        {"low": "a", "high": 2},
        {"low": 1, "high": 2, "lgo": True},
        {"low": 1, "high": 2, "log": True, "step": 0.1},
        {"choices": []},
        {"choices": [1], "low": 0},
    ],
)
def test_malformed_entries_are_named(entry: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"^evaluate\.eta is "):
        parse_space("evaluate", {"eta": entry})


def test_single_entries_come_from_the_command_line() -> None:
    options = parse(["--train.training.steps", "4", "--train.lambda={low: 0.1, high: 1}", "--evaluate.eta", "0.2"])
    assert (options.train["training.steps"], options.train["lambda"]) == (4, {"low": 0.1, "high": 1})
    assert options.evaluate["eta"] == 0.2
    assert options.evaluate["model"] == "tiny"


def test_a_call_without_a_configuration_is_the_default_sweep(tmp_path: Path) -> None:
    assert parse(["--trials", "12"]).as_dict() == parse(["--config", "sweep"]).as_dict()
    (tmp_path / "own.yaml").write_text("train_share: 0.5")
    own = parse([f"--config={tmp_path / 'own.yaml'}"])
    assert (own.train_share, own.train) == (0.5, {})


@pytest.mark.parametrize("arguments", [["--train.steps"], ["--train.steps="], ["--train.steps={"]])
def test_entries_without_a_value_are_refused(arguments: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"--train\.steps"):
        parse(arguments)
