"""Frozen model files: what they keep, what their fingerprint covers, and how damaged ones are refused."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hvqcgic
from hvqcgic.codec.codec import Codec
from hvqcgic.errors import HvqcgicError, ModelError, OutputExists
from hvqcgic.model_files.frozen_model import PARTS, FrozenModel, network_weights, read_model, write_model
from hvqcgic.model_files.registry import bundled_models, read_summary
from hvqcgic.models.config import ModelConfig
from tests.random_model import RandomModel, random_model, random_picture


@pytest.fixture(scope="module")
def random() -> RandomModel:
    return random_model()


@pytest.fixture(scope="module")
def frozen(random: RandomModel) -> FrozenModel:
    return random.freeze()


def header_bytes(content: bytes) -> int:
    return 8 + int.from_bytes(content[:8], "little")


def complaint(name_or_path: Path) -> str:
    """What loading a model file says; one line that names the file."""
    with pytest.raises(HvqcgicError) as caught:
        hvqcgic.load(name_or_path, device="cpu")
    assert isinstance(caught.value, ModelError)
    assert name_or_path.name in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_keeps_everything(frozen: FrozenModel, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    write_model(frozen, path)
    again = read_model(path)
    assert again == dataclasses.replace(frozen, networks=again.networks, arrays=again.arrays, source=path)
    for name, array in frozen.tensors().items():
        assert array.dtype == again.tensors()[name].dtype
        assert np.array_equal(array, again.tensors()[name])
    assert again.fingerprint == frozen.fingerprint == read_summary(path).fingerprint
    with pytest.raises(OutputExists):
        write_model(frozen, path)
    write_model(frozen, path, force=True)


def test_networks_are_float16_and_tables_integers(frozen: FrozenModel) -> None:
    assert {array.dtype for array in frozen.networks.values()} == {np.dtype(np.float16)}
    assert all(np.issubdtype(array.dtype, np.integer) for array in frozen.arrays.values())


def test_the_picture_networks_are_those_of_training_but_for_rounding(random: RandomModel, frozen: FrozenModel) -> None:
    model = frozen.picture_model(torch.device("cpu"))
    trained = random.model.state_dict()
    for name, value in model.state_dict().items():
        if name.startswith(PARTS):
            assert value.dtype == torch.float32
            assert torch.equal(value, trained[name].half().float())
    assert not any(weight.requires_grad for weight in model.parameters())
    assert not model.training


def test_the_fingerprint_covers_what_decoding_needs(frozen: FrozenModel) -> None:
    networks, arrays = dict(frozen.networks), dict(frozen.arrays)
    name = next(iter(networks))
    networks[name] = np.nextafter(networks[name], np.float16(1))
    arrays["usage"] = arrays["usage"] + arrays["usage"].dtype.type(1)
    sigma = dataclasses.replace(frozen.config, entropy_sigma=0.1)
    others = [
        dataclasses.replace(frozen, networks=networks),
        dataclasses.replace(frozen, arrays=arrays),
        dataclasses.replace(frozen, arrays=frozen.arrays | {"more": np.zeros(1, np.int8)}),
        dataclasses.replace(frozen, spec=frozen.spec | {"decoder_prior": True}),
        dataclasses.replace(frozen, config=sigma),
    ]
    fingerprints = {model.fingerprint for model in [frozen, *others]}
    assert len(fingerprints) == 1 + len(others)
    assert {len(fingerprint) for fingerprint in fingerprints} == {8}


def test_the_fingerprint_leaves_out_what_it_does_not_need(frozen: FrozenModel) -> None:
    config = dataclasses.replace(frozen.config, name="other", default_ratios=(0.0, 0.5, 0.5))
    assert dataclasses.replace(frozen, config=config, card={"psnr_db": 26}).fingerprint == frozen.fingerprint


def test_a_new_name_makes_no_new_model(random: RandomModel, frozen: FrozenModel, tmp_path: Path) -> None:
    named = random.freeze("tiny-frozen")
    assert named.fingerprint == frozen.fingerprint
    write_model(named, tmp_path / "x.safetensors")
    codec = hvqcgic.load(tmp_path / "x.safetensors", device="cpu")
    assert codec.name == "tiny-frozen"
    assert codec.card == named.card
    assert codec.fingerprint == frozen.fingerprint


@pytest.mark.parametrize("name", bundled_models())
def test_a_bundled_model_knows_its_name(name: str) -> None:
    model = read_model(name)
    assert model.config.name == name
    assert {"data", "steps", "hardware"} <= set(model.card)
    assert bundled_models()[name].stat().st_size <= 7e6


def test_a_cut_file_is_named(tiny_model_path: Path, tmp_path: Path) -> None:
    content = tiny_model_path.read_bytes()
    path = tmp_path / "cut.safetensors"
    start = header_bytes(content)
    for length in (0, 1, 7, 8, 100, start - 1, start, start + 1, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        complaint(path)
    path.write_bytes(content + b"\0")
    complaint(path)


def test_flipped_bits_of_numbers_are_found(tiny_model_path: Path, tmp_path: Path) -> None:
    content = tiny_model_path.read_bytes()
    path = tmp_path / "flipped.safetensors"
    places = np.random.default_rng(0).integers(header_bytes(content), len(content), 20)
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        assert "damaged model file" in complaint(path)


def test_flipped_bits_of_the_header_are_found_or_harmless(tiny_model_path: Path, tmp_path: Path) -> None:
    content = tiny_model_path.read_bytes()
    path = tmp_path / "flipped.safetensors"
    fingerprint = read_model(tiny_model_path).fingerprint
    messages = []
    for bit in np.random.default_rng(1).integers(0, 8 * header_bytes(content), 300):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            assert read_model(path).fingerprint == fingerprint
        except ModelError as error:
            messages.append(str(error))
    assert len(messages) > 200
    assert all(path.name in message for message in messages)


def with_arrays(frozen: FrozenModel, **changes: Any) -> FrozenModel:
    return dataclasses.replace(frozen, arrays=frozen.arrays | changes)


Change = Callable[[FrozenModel], FrozenModel]

CHANGES: dict[str, Change] = {
    "weights decoder.stem.weight are missing": lambda model: dataclasses.replace(
        model, networks={name: array for name, array in model.networks.items() if name != "decoder.stem.weight"}
    ),
    "weights encoder.stem.bias are missing, or not of shape (8,)": lambda model: dataclasses.replace(
        model, networks=model.networks | {"encoder.stem.bias": np.zeros(9, np.float16)}
    ),
    "weights encoder.tail are unknown": lambda model: dataclasses.replace(
        model, networks=model.networks | {"encoder.tail": np.zeros(9, np.float16)}
    ),
    "codebook of its tables (64, 4), of its configuration (65, 4)": lambda model: dataclasses.replace(
        model,
        config=dataclasses.replace(model.config, codebook_size=65),
        networks=model.networks | {"quantiser.codebook": np.zeros((65, 4), np.float16)},
    ),
    "its configuration makes no model": lambda model: dataclasses.replace(
        model, config=dataclasses.replace(model.config, networks="pyramids")
    ),
    "frozen entropy model is damaged": lambda model: dataclasses.replace(model, spec={}),
    "usage": lambda model: with_arrays(model, usage=np.ones((2, 64), np.int8)),
}


@pytest.mark.parametrize("message", CHANGES)
def test_parts_that_do_not_fit_are_named(frozen: FrozenModel, tmp_path: Path, message: str) -> None:
    """Files that are whole, as their fingerprint shows, and still make no model."""
    path = tmp_path / "x.safetensors"
    write_model(CHANGES[message](frozen), path)
    assert message in complaint(path)


def test_a_model_that_was_just_frozen_is_named_too(frozen: FrozenModel) -> None:
    broken = dataclasses.replace(frozen, networks={})
    with pytest.raises(ModelError, match=r"^model random: weights .* are missing"):
        broken.picture_model(torch.device("cpu"))


@pytest.mark.parametrize(
    ("key", "value"), [("config", '{"widths": 3}'), ("config", '{"backbone": 5}'), ("entropy", "{"), ("entropy", None)]
)
def test_metadata_of_another_version_are_named(
    tiny_model_path: Path, tmp_path: Path, key: str, value: str | None
) -> None:
    content = tiny_model_path.read_bytes()
    start = header_bytes(content)
    header = json.loads(content[8:start])
    header["__metadata__"] = {k: v for k, v in header["__metadata__"].items() if k != key}
    if value is not None:
        header["__metadata__"][key] = value
    changed = json.dumps(header).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(changed).to_bytes(8, "little") + changed + content[start:])
    assert "not a model of this version of hvqcgic" in complaint(path)


@pytest.mark.parametrize("value", [1e6, float("inf"), float("nan")])
def test_weights_beyond_float16_are_refused_by_name(value: float) -> None:
    state = {"encoder.stem.weight": torch.tensor([0.5, value]), "context.coarse.weight": torch.tensor([1e9])}
    with pytest.raises(ModelError, match=r"weights encoder\.stem\.weight reach"):
        network_weights(state)
    assert list(network_weights({**state, "encoder.stem.weight": torch.ones(2)})) == ["encoder.stem.weight"]


def test_a_config_survives_json(frozen: FrozenModel) -> None:
    assert ModelConfig.from_dict(json.loads(json.dumps(frozen.config.to_dict()))) == frozen.config


def test_a_loaded_model_codes_as_the_frozen_one(frozen: FrozenModel, tiny_model_path: Path) -> None:
    from hvqcgic.codec.codec import Codec

    picture = random_picture(60, 40, seed=1)
    fresh = Codec(frozen, torch.device("cpu"))
    assert fresh.compress(picture) == hvqcgic.load(tiny_model_path, device="cpu").compress(picture)


def test_the_layout_of_the_decoder_changes_no_picture(frozen: FrozenModel) -> None:
    cpu = torch.device("cpu")
    fast, plain = Codec(frozen, cpu), Codec(frozen, cpu)
    plain.networks.decoder.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
    weights = [[w for w in c.networks.decoder.parameters() if w.ndim == 4 and min(w.shape) > 1] for c in (fast, plain)]
    assert all(w.is_contiguous(memory_format=torch.channels_last) for w in weights[0])
    assert not any(w.is_contiguous(memory_format=torch.channels_last) for w in weights[1])
    data = fast.compress(random_picture(64, 48, seed=2))
    pictures = [np.asarray(codec.decompress(data)).astype(int) for codec in (fast, plain)]
    assert abs(pictures[0] - pictures[1]).max() <= 1
