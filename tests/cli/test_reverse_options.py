"""`decompress --steps`."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqcgic.codec.codec import load
from tests.command_calls import Call
from tests.random_model import random_picture
from tests.random_reverse import model_with_reverse


@pytest.fixture(scope="module")
def model(tiny_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_with_reverse(tiny_model_path, tmp_path_factory.mktemp("reverse"))


@pytest.fixture
def stream(tmp_path: Path, model: Path) -> Path:
    path = tmp_path / "x.hvq"
    path.write_bytes(load(model, device="cpu").compress(random_picture(60, 44, seed=3)))
    return path


def test_steps_are_told(call: Call, tmp_path: Path, stream: Path, model: Path) -> None:
    out = tmp_path / "x.png"
    found = call("decompress", stream, "-o", out, "--model", model, "--steps", 2, "--seed", 7)
    assert found.code == 0, found.err
    assert found.out.endswith(" bytes, in 2 steps of the reverse path (randomness 1, seed 7)\n")
    assert not found.err
    expected = load(model, device="cpu", precision="auto").decompress(stream.read_bytes(), 2, 1.0, 7)
    with Image.open(out) as image:
        assert np.array_equal(np.asarray(image), np.asarray(expected))


def test_steps_are_told_to_machines_where_there_are_any(call: Call, tmp_path: Path, stream: Path, model: Path) -> None:
    options = "-o", tmp_path / "x.png", "--model", model, "--json", "--force"
    stepped = json.loads(call("decompress", stream, *options, "--steps", 1, "--randomness", 0.5).out)
    assert [stepped[name] for name in ("steps", "randomness", "seed")] == [1, 0.5, 0]
    plain = json.loads(call("decompress", stream, *options, "--steps", 0, "--seed", 3).out)
    assert not {"steps", "randomness", "seed"} & plain.keys()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--steps", "some"), "'some' is not a whole number from 0 on"),
        (("--steps", "-1"), "'-1' is not a whole number from 0 on"),
        (("--steps", "65"), "steps 65 cannot be taken"),
        (("--steps", "2", "--randomness", "-0.5"), "'-0.5' is not a number from 0 on"),
        (("--steps", "2", "--randomness", "nan"), "'nan' is not a number from 0 on"),
        (("--steps", "2", "--seed", "-3"), "'-3' is not a whole number"),
        (("--steps", "2", "--seed", str(2**63)), f"seed {2**63} is none"),
        (("--steps", "2", "--preview", "3"), "--steps need the whole stream"),
        (("--steps", "2", "--partial"), "--steps need the whole stream"),
        (("--steps", "2", "--skip-existing"), "--skip-existing cannot tell pictures of some --steps"),
    ],
)
def test_what_is_refused(
    call: Call, tmp_path: Path, stream: Path, model: Path, options: tuple[str, ...], words: str
) -> None:
    found = call("decompress", stream, "-o", tmp_path / "x.png", "--model", model, *options)
    assert found.code == 2
    assert words in found.complaint
    assert not (tmp_path / "x.png").exists()


def test_a_model_without_a_path_is_named(call: Call, tmp_path: Path, stream: Path, tiny_model_path: Path) -> None:
    found = call("decompress", stream, "-o", tmp_path / "x.png", "--model", tiny_model_path, "--steps", 1)
    assert found.code == 2
    assert f"{tiny_model_path.stem}-reverse.safetensors: not there" in found.complaint
    assert not (tmp_path / "x.png").exists()
