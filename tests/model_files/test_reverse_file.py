"""Frozen reverse paths: what their files keep, what their fingerprint covers, how damaged ones are refused."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hvqcgic.errors import ModelError, OutputExists
from hvqcgic.model_files.frozen_model import read_model
from hvqcgic.model_files.registry import bundled_models, reverse_file_of
from hvqcgic.model_files.reverse_file import STATISTICS, FrozenReverse, freeze_reverse, read_reverse, write_reverse
from hvqcgic.models.reverse_path import ReverseConfig, ReverseModel
from tests.random_model import small_config
from tests.random_reverse import random_reverse

CPU = torch.device("cpu")
BEHIND = bytes(range(8))


@pytest.fixture(scope="module")
def model() -> ReverseModel:
    return random_reverse(small_config())


@pytest.fixture(scope="module")
def frozen(model: ReverseModel) -> FrozenReverse:
    return freeze_reverse(model, BEHIND, card={"steps": 3})


@pytest.fixture
def path(frozen: FrozenReverse, tmp_path: Path) -> Path:
    write_reverse(frozen, tmp_path / "x-reverse.safetensors")
    return tmp_path / "x-reverse.safetensors"


def test_a_file_keeps_everything(frozen: FrozenReverse, path: Path) -> None:
    again = read_reverse(path)
    assert again == dataclasses.replace(frozen, weights=again.weights, source=path)
    assert again.fingerprint == frozen.fingerprint
    assert again.weights.keys() == frozen.weights.keys()
    for name, array in frozen.weights.items():
        assert array.dtype == again.weights[name].dtype == (np.float32 if name in STATISTICS else np.float16)
        assert np.array_equal(array, again.weights[name])
    with pytest.raises(OutputExists):
        write_reverse(frozen, path)
    write_reverse(frozen, path, force=True)


def test_the_networks_are_those_of_training_but_for_rounding(model: ReverseModel, path: Path) -> None:
    found, trained = read_reverse(path).reverse_model(small_config(), CPU), model.state_dict()
    assert found.state_dict().keys() == trained.keys()
    for name, value in found.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, trained[name] if name in STATISTICS else trained[name].half().float())
    assert not found.training
    assert not any(weight.requires_grad for weight in found.parameters())


def test_a_kept_decoder_is_not_stored() -> None:
    kept = freeze_reverse(random_reverse(small_config(), decoder="kept", hint_channels=0), BEHIND)
    assert not any(name.startswith("decoder.") for name in kept.weights)
    assert kept.reverse_model(small_config(), CPU).decoder is None


def test_the_fingerprint_covers_what_pictures_depend_on(frozen: FrozenReverse) -> None:
    name = next(iter(frozen.weights))
    changed = np.nextafter(frozen.weights[name], np.float16(1))
    others = [
        dataclasses.replace(frozen, weights={**frozen.weights, name: changed}),
        dataclasses.replace(frozen, weights={**frozen.weights, "spread": np.zeros(3, np.float32)}),
        dataclasses.replace(frozen, model_fingerprint=bytes(8)),
        dataclasses.replace(frozen, config=dataclasses.replace(frozen.config, noise=0.5)),
    ]
    assert len({each.fingerprint for each in [frozen, *others]}) == 5
    assert dataclasses.replace(frozen, card={"psnr_db": 26}).fingerprint == frozen.fingerprint


def test_damaged_files_are_named(path: Path) -> None:
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    for length in (0, 7, 100, start, len(content) - 1):
        path.write_bytes(content[:length])
        complaint(path)
    for place in np.random.default_rng(0).integers(start, len(content), 10):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        assert "damaged model file: its numbers have fingerprint" in complaint(path)


def complaint(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_reverse(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_metadata_of_another_version_are_named(path: Path) -> None:
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    for config in ('{"depth": 3}', '{"noise": -1}', '{"widths": "wide"}'):
        header["__metadata__"]["config"] = config
        changed = json.dumps(header).encode()
        path.write_bytes(len(changed).to_bytes(8, "little") + changed + content[start:])
        assert "not a reverse path of this version" in complaint(path)


CHANGES: dict[str, Callable[[FrozenReverse], FrozenReverse]] = {
    "weights network.stem.weight are missing": lambda frozen: dataclasses.replace(
        frozen, weights={name: array for name, array in frozen.weights.items() if name != "network.stem.weight"}
    ),
    "weights network.tail are unknown": lambda frozen: dataclasses.replace(
        frozen, weights={**frozen.weights, "network.tail": np.zeros(1, np.float16)}
    ),
    "not of shape": lambda frozen: dataclasses.replace(frozen, config=ReverseConfig()),
}


@pytest.mark.parametrize("message", CHANGES)
def test_parts_that_do_not_fit_are_named(frozen: FrozenReverse, message: str) -> None:
    with pytest.raises(ModelError, match=f"^reverse path: .*{message}"):
        CHANGES[message](frozen).reverse_model(small_config(), CPU)


def test_a_model_that_can_have_none_is_named(frozen: FrozenReverse) -> None:
    with pytest.raises(ModelError, match="without decoder_prior"):
        frozen.reverse_model(small_config(decoder_prior=True), CPU)


def test_a_weight_beyond_float16_is_refused() -> None:
    model = random_reverse(small_config())
    model.network.change.bias.data[0] = 1e6  # pyright: ignore[reportOptionalMemberAccess]
    with pytest.raises(ModelError, match=r"weights network\.change\.bias reach 1e\+06"):
        freeze_reverse(model, BEHIND)


def test_a_reverse_path_is_no_model(path: Path) -> None:
    with pytest.raises(ModelError, match="a reverse path, no model; name the model that it belongs to"):
        read_model(path)


def test_bundled_paths_stand_behind_their_models_and_are_small() -> None:
    paths = {name: reverse_file_of(path) for name, path in bundled_models().items()}
    found = {name: path for name, path in paths.items() if path.exists()}
    assert "tiny" in found
    for name, path in found.items():
        model, reverse = read_model(name), read_reverse(path)
        assert reverse.model_fingerprint == model.fingerprint
        network = reverse.reverse_model(model.config, torch.device("cpu")).network
        assert sum(weight.numel() for weight in network.parameters()) <= 2_000_000
        assert f"(fingerprint {model.fingerprint.hex()})" in path.with_suffix(".md").read_text(encoding="utf-8")
