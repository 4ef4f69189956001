"""The experiments on a small random model and picture; trainings are left to a person's command."""

import argparse
import dataclasses
import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import hvqcgic
from hvqcgic.bitstream import MODES
from hvqcgic.errors import ModelError
from hvqcgic.model_files.frozen_model import write_model
from hvqcgic.models import REPORTED_RATIOS
from hvqcgic.models.config import ModelConfig
from hvqcgic.models.selection import select_cells
from tests.random_model import random_model, small_config
from tests.training.small_training import settings

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
TABLE = {"granularity_ratio_fmc": [0, 0.5, 0.5], "bpp_zip": 0.3, "bpp_huffman_uniform": 0.2}


@pytest.fixture(autouse=True)
def _experiments_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXPERIMENTS))


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


def run(name: str, out: Path, *arguments: object) -> dict[str, Any]:
    """What an experiment wrote as JSON."""
    load(name).main([*map(str, arguments), "--out", str(out)])
    return json.loads((out / f"{name}.json").read_text())


def sizes(model: Path, picture: Path, ratios: tuple[float, float, float]) -> dict[str, int]:
    codec = hvqcgic.load(model)
    return {mode: len(codec.compress(picture, ratios=ratios, coding=mode)) for mode in MODES}


def test_bit_saving_counts_files_beside_the_published_table(
    tmp_path: Path, picture: Path, tiny_model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = {"table1_entropy_coding": [TABLE | {"bpp_huffman_statistical": 0.19}]}
    (tmp_path / "control_gic.json").write_text(json.dumps(table))
    found = run("bit_saving", tmp_path, picture, "--models", tiny_model_path, "--published", tmp_path)
    first, published = found["rows"][0], found["rows"][-1]
    expected = sizes(tiny_model_path, picture, (0.5, 0.4, 0.1))
    assert first["adaptive saves %"] == round(100 * (1 - expected["adaptive"] / expected["fixed-length"]), 1)
    assert first["adaptive"] / first["zip"] == pytest.approx(expected["adaptive"] / expected["zip"], abs=1e-3)
    assert published["model"] == "published: Control-GIC (K = 16384)"
    assert published["static-huffman saves %"] == 5.0
    assert "published: Control-GIC" in capsys.readouterr().out


def test_without_published_numbers_ours_are_printed_with_a_note(
    tmp_path: Path, picture: Path, tiny_model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run("entropy_only", tmp_path, picture, "--models", tiny_model_path, "--published", tmp_path / "none")
    rows = found["rows"]
    assert [row["ratios f, m, c"] for row in rows] == ["0.5, 0.4, 0.1", "0.1, 0.8, 0.1", "0, 0.5, 0.5", "mean"]
    saved = [row["indices: adaptive saves %"] for row in rows]
    assert saved[-1] == pytest.approx(sum(saved[:-1]) / 3, abs=0.06)
    assert "hvq_cgic_claims.json is not there; the published column is left out" in capsys.readouterr().err


def test_equal_quality_is_compared_on_real_files(tmp_path: Path, picture: Path, tiny_model_path: Path) -> None:
    options = ("--model", tiny_model_path, "--baseline", tiny_model_path, "--points", "path=0..1:4")
    found = run(
        "equal_lpips", tmp_path, picture, *options, "--metrics", "psnr_db", "--published", tmp_path, "--jobs", 1
    )
    (row,) = found["rows"]
    assert row["against"] == f"hvqcgic:{tiny_model_path}+static-huffman"
    assert set(row) == {"test", "against", "PSNR (dB)"}
    rows = json.loads((tmp_path / "evaluation/points.json").read_text())["rows"]
    assert len(rows) == 8


@pytest.mark.parametrize(("mode", "raw_map"), [("static-arithmetic", True), ("adaptive", False)])
def test_rungs_of_the_ladder_count_the_map_as_they_say(
    picture: Path, tiny_model_path: Path, mode: str, raw_map: bool
) -> None:
    ladder = load("ladder")
    codec = hvqcgic.load(tiny_model_path)
    encoded = codec.encode(picture)
    written = codec.write(encoded, coding=mode)
    bits = 8 * len(written.data)
    if raw_map:
        bits += codec.write(encoded, coding="static-huffman").parts["map"] - written.parts["map"]
    assert ladder.file_bits(codec, encoded, ladder.Rung("x", mode=mode, raw_map=raw_map)) == bits


def test_entropy_models_are_compared_on_one_set_of_indices(
    tmp_path: Path, picture: Path, tiny_model_path: Path
) -> None:
    entropy_models = load("entropy_models")
    codec = hvqcgic.load(tiny_model_path)
    encoded = codec.encode(picture)
    pixels = encoded.width * encoded.height
    models = {"first": tiny_model_path, "second": tiny_model_path}
    static, (first, second) = entropy_models.measure(str(tiny_model_path), models, [picture, picture])
    assert static == pytest.approx(8 * len(codec.compress(picture, coding="static-huffman")) / pixels)
    assert first["bpp"] == second["bpp"] == round(8 * len(codec.compress(picture)) / pixels, 4)
    assert first["seconds"] > 0
    other = tmp_path / "other.safetensors"
    write_model(random_model(seed=7).freeze(), other)
    with pytest.raises(ModelError, match="codes other indices than"):
        entropy_models.measure(str(tiny_model_path), {"other": other}, [picture])


def test_hyperpriors_are_compared_at_every_ratio_and_are_options_that_differ(
    picture: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    from hvqcgic.training.options import build_parser

    hyperpriors = load("hyperpriors")
    codec = hvqcgic.load(tiny_model_path)
    first, second = hyperpriors.measure({"first": tiny_model_path, "second": tiny_model_path}, [picture])
    expected = [codec.write(codec.encode(picture, ratios=ratios)) for ratios in REPORTED_RATIOS]
    pixels = codec.encode(picture).width * codec.encode(picture).height
    assert first["bpp"] == second["bpp"] == [round(8 * len(file.data) / pixels, 4) for file in expected]
    assert first["z %"] == round(100 * expected[0].parts["z"] / (8 * len(expected[0].data)), 2)
    assert [second[f"{', '.join(f'{share:g}' for share in ratios)} %"] for ratios in REPORTED_RATIOS] == [0, 0, 0]
    told = set()
    for name in hyperpriors.VARIATIONS:
        options = build_parser().parse_args(hyperpriors.training(name, str(tiny_model_path), 5, tmp_path))
        entropy = ModelConfig.from_dict(options.model.as_dict()).entropy
        hyperprior = (entropy.hyperprior, entropy.z_channels, entropy.z_footprint)
        told.add((*hyperprior, entropy.synthesis_channels, entropy.hint_kernel))
    assert len(told) == len(hyperpriors.VARIATIONS)


def test_a_backbone_alone_can_be_started_from(tmp_path: Path, tiny_model_path: Path) -> None:
    from hvqcgic.training.starts import start_facts

    path = load("common").backbone_alone(str(tiny_model_path), tmp_path / "backbone.ckpt")
    assert start_facts(path).stage == "backbone"


def test_every_training_of_the_experiments_has_options_that_are_taken() -> None:
    from hvqcgic.training.options import build_parser

    ladder, conditions, variations = load("ladder"), load("decoder_conditions"), load("entropy_models")
    config = "tiny"
    for rung in ladder.RUNGS:
        found = build_parser().parse_args(["--config", config, *rung.options])
        assert found.model.entropy.log_prior == ("false" not in rung.options)
    entropy = {
        name: dataclasses.asdict(ModelConfig.from_dict(options.model.as_dict()).entropy)
        for name in variations.VARIATIONS
        for options in [build_parser().parse_args(variations.training(name, 600))]
    }
    for name, fields in variations.VARIATIONS.items():
        changed = entropy[name].items() - entropy["as-configured"].items()
        assert {field for field, _ in changed} == fields.keys()
    joint = load("joint_training")
    for name, changed in joint.VARIATIONS.items():
        arguments = joint.training(name, argparse.Namespace(start="tiny-frozen", steps=300))
        options = build_parser().parse_args(arguments)
        values = {key: str(options[key.removeprefix("--")]).lower() for key in changed[::2]}
        assert values == dict(zip(changed[::2], changed[1::2], strict=True))
    told = {}
    for name in conditions.VARIANTS:
        backbone = build_parser().parse_args(conditions.training(name, 600)).model.backbone
        told[name] = (backbone.condition_medium, backbone.condition_fine)
    assert told == {
        "coarse, medium and fine": (True, True),
        "coarse and medium": (True, False),
        "coarse and fine": (False, True),
        "coarse alone": (False, False),
    }


def test_a_model_told_lambda_starts_as_one_that_is_not_and_may_leave_it() -> None:
    experiment, source = load("lambda_conditioned"), random_model(small_config())
    module = experiment.Conditioned(source.model.config, settings(), "joint", None)
    missing, unknown = module.load_state_dict(
        {f"model.{name}": value for name, value in source.model.state_dict().items()}, strict=False
    )
    assert not unknown
    assert {name.split(".")[0] for name in missing} == {"told", "priors"}
    picture = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    module.level = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1)
    with torch.no_grad():
        expected, found = source.model.features(picture), module.model.features(picture)
        assert all(torch.equal(found[g], y) for g, y in expected.items())
        for weight in module.told:
            weight.fill_(0.1)
        found = module.model.features(picture)
        assert all(not torch.allclose(found[g], y) for g, y in expected.items())
    masks = select_cells(source.model.config, picture, [(0.5, 0.4, 0.1)] * 2)
    weights = module.pull(masks).weights
    assert float(weights[1] / weights[0]) == pytest.approx(experiment.RANGE**2)
    assert {id(weight) for weight in module.told} <= {id(w) for group in module.groups() for w in group["params"]}


def test_what_is_refused_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common, bit_saving = load("common"), load("bit_saving")
    (tmp_path / "empty").mkdir()
    assert common.call(bit_saving.main, [str(tmp_path / "empty"), "--out", str(tmp_path / "out")]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert "no pictures in this folder" in shown.err
