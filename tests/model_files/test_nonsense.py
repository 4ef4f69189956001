"""Model files whose fingerprint fits nonsense: one line at loading, whatever the header or the tables hold."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

import hvqcgic
from hvqcgic.errors import ModelError
from hvqcgic.model_files.frozen_model import FrozenModel, write_model
from hvqcgic.model_files.registry import read_summary
from hvqcgic.model_files.stored_weights import fingerprint_of
from tests.random_model import random_model


@pytest.fixture(scope="module")
def frozen() -> FrozenModel:
    return random_model().freeze()


def complaint(path: Path) -> str:
    """What loading says: one line of a sensible length that names the file."""
    with pytest.raises(ModelError) as caught:
        hvqcgic.load(path, device="cpu")
    said = str(caught.value)
    assert path.name in said
    assert "\n" not in said
    assert len(said) < 600
    return said


def write_changed(frozen: FrozenModel, path: Path, config: dict[str, Any], spec: str | None = None) -> None:
    """A model file with other values in its configuration, or another spec, and the fingerprint of what it holds."""
    whole = frozen.config.to_dict()
    for name, value in config.items():
        owner, _, key = name.rpartition(".")
        (whole[owner] if owner else whole)[key] = value
    text = json.dumps(frozen.spec) if spec is None else spec
    counted = {key: value for key, value in whole.items() if key not in ("name", "default_ratios")}
    found = fingerprint_of([counted, frozen.spec], frozen.tensors())
    metadata = {"config": json.dumps(whole), "entropy": text, "card": "{}", "fingerprint": found.hex()}
    path.write_bytes(save(frozen.tensors(), metadata))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"entropy.weight_bits": "abc"}, "model.entropy.weight_bits is 'abc'; use a whole number, 1 to 24"),
        ({"entropy_sigma": float("nan")}, "model.entropy_sigma is nan; use a finite number"),
        ({"default_ratios": [2, -1, 0]}, "model.default_ratios is 2; use 0 to 1"),
        ({"backbone.encoder_blocks": [10**7] * 4}, "model.backbone.encoder_blocks is 10000000; use 0 to 32"),
        ({"backbone.encoder_widths": [0, 8, 8, 8]}, "model.backbone.encoder_widths is 0; use 1 to 1024"),
        ({"backbone.encoder_widths": [16, 8, 8, 8]}, "are missing, or not of shape"),
        ({"codebook_size": 65}, "weights quantiser.codebook are missing, or not of shape (65, 4)"),
        ({"entropy.z_channels": [2, 2, 0]}, "weights analysis.fine"),
        ({"entropy.z_limit": 30}, "z of its tables"),
        ({"entropy.schedule": ["coarse", "medium", "fine"]}, "schedule of its tables"),
        ({"entropy.rank": 7}, "index prior of its tables 6, of its configuration 7"),
        ({"backbone.decoder_prior": True}, "are missing, or not of shape"),
    ],
)
def test_nonsense_in_the_configuration(
    frozen: FrozenModel, tmp_path: Path, config: dict[str, Any], message: str
) -> None:
    path = tmp_path / "x.safetensors"
    write_changed(frozen, path, config)
    assert message in complaint(path)


@pytest.mark.parametrize("depth", [40, 10_000, 100_000])
def test_json_nested_deep(frozen: FrozenModel, tmp_path: Path, depth: int) -> None:
    path = tmp_path / "x.safetensors"
    write_changed(frozen, path, {}, "[" * depth + "]" * depth)
    assert "entropy is nested more than 32 deep" in complaint(path)
    header = ("[" * depth + "]" * depth).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    assert "its header is nested more than 32 deep" in complaint(path)


def test_tables_of_fractions(frozen: FrozenModel, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for name, array in frozen.arrays.items():
        tenths = array.astype(np.float32) + np.float32(0.1)
        write_model(dataclasses.replace(frozen, arrays=frozen.arrays | {name: tenths}), path, force=True)
        assert f"{name} holds {array.size} numbers of type float32; it must hold integers" in complaint(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(frozen: FrozenModel, tmp_path: Path, value: float) -> None:
    path = tmp_path / "x.safetensors"
    bias = np.full_like(frozen.networks["encoder.stem.bias"], value)
    write_model(dataclasses.replace(frozen, networks=frozen.networks | {"encoder.stem.bias": bias}), path)
    assert "weights encoder.stem.bias hold float16 that are not all finite" in complaint(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codebook_size": "many"}, "model.codebook_size is 'many'; use a whole number, at least 2"),
        ({"default_ratios": [2, -1, 0]}, "model.default_ratios is 2; use 0 to 1"),
        ({"name": 5}, "model.name is 5"),
    ],
)
def test_what_commands_read_before_torch(
    frozen: FrozenModel, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "x.safetensors"
    write_changed(frozen, path, {})
    outline = read_summary(path).outline
    assert (outline.name, outline.codebook_size, outline.default_ratios) == ("random", 64, (0.5, 0.4, 0.1))
    write_changed(frozen, path, change)
    with pytest.raises(ModelError) as caught:
        _ = read_summary(path).outline
    assert message in str(caught.value)
    assert path.name in str(caught.value)
