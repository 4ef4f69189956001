"""Pictures along the reverse path: what they depend on, what they do not, and what is refused."""

import dataclasses
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hvqcgic.codec.codec import Codec, load
from hvqcgic.coder import window_size
from hvqcgic.errors import BitstreamError, ConfigError, ModelError, ModelMismatch
from hvqcgic.model_files.frozen_model import read_model, write_model
from hvqcgic.models.config import MeansConfig
from tests.random_model import random_model, random_picture, small_config
from tests.random_reverse import model_with_reverse

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def path(tiny_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_with_reverse(tiny_model_path, tmp_path_factory.mktemp("reverse"))


@pytest.fixture(scope="module")
def codec(path: Path) -> Codec:
    return load(path, device="cpu")


@pytest.fixture(scope="module")
def data(codec: Codec) -> bytes:
    return codec.compress(random_picture(96, 75, seed=4))


def pixels(codec: Codec, data: bytes, *sampling: float) -> NDArray[np.int16]:
    return np.asarray(codec.decompress(data, *sampling), np.int16)  # pyright: ignore[reportArgumentType]


def test_no_steps_are_the_decoder_alone(codec: Codec, tiny_model_path: Path, data: bytes) -> None:
    plain = pixels(load(tiny_model_path, device="cpu"), data)
    assert np.array_equal(pixels(codec, data, 0, 0.7, 5), plain)
    assert np.array_equal(np.asarray(codec.reverse(data, steps=0)), plain)
    stepped = pixels(codec, data, 1)
    assert stepped.shape == plain.shape
    assert np.abs(stepped - plain).mean() > 1


def test_noise_is_the_seeds_and_none_is_drawn_where_it_has_no_part(codec: Codec, data: bytes) -> None:
    assert np.array_equal(pixels(codec, data, 2, 1.0, 3), pixels(codec, data, 2, 1.0, 3))
    assert not np.array_equal(pixels(codec, data, 2, 1.0, 3), pixels(codec, data, 2, 1.0, 4))
    assert not np.array_equal(pixels(codec, data, 2, 1.0, 3), pixels(codec, data, 2, 0.5, 3))
    assert np.array_equal(pixels(codec, data, 2, 0.0, 3), pixels(codec, data, 2, 0.0, 4))
    assert np.array_equal(pixels(codec, data, 1, 1.0, 3), pixels(codec, data, 1, 0.0, 4))
    assert not np.array_equal(pixels(codec, data, 1), pixels(codec, data, 2, 0.0))


def test_two_processes_make_the_same_picture(codec: Codec, path: Path, data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "x.hvq"
    file.write_bytes(data)
    program = (
        "import sys, hashlib, torch, hvqcgic; torch.set_num_threads(int(sys.argv[3]))\n"
        "codec = hvqcgic.load(sys.argv[1], device='cpu')\n"
        "picture = codec.decompress(open(sys.argv[2], 'rb').read(), steps=2, seed=9)\n"
        "print(hashlib.sha256(picture.tobytes()).hexdigest())"
    )
    command = [sys.executable, "-c", program, str(path), str(file), str(torch.get_num_threads())]
    other = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout.strip()
    assert other == hashlib.sha256(codec.decompress(data, steps=2, seed=9).tobytes()).hexdigest()


@pytest.mark.parametrize(
    ("decoder", "means", "px_at_once"),
    [("tuned", False, 0), ("kept", False, 0), ("tuned", False, 10**7), ("tuned", True, 0), ("kept", True, 0)],
)
def test_tiles_equal_the_whole(
    tiny_model_path: Path, tmp_path: Path, decoder: str, means: bool, px_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_size, "px_at_once", lambda device: px_at_once)
    config = {"hint_channels": 0} if decoder == "kept" else {}
    model = tiny_model_path
    if means:
        model = tmp_path / "means.safetensors"
        write_model(random_model(dataclasses.replace(small_config(), means=MeansConfig())).freeze(), model)
    path = model_with_reverse(model, tmp_path, decoder=decoder, **config)
    whole = load(path, device="cpu")
    data = whole.compress(random_picture(333, 70, seed=4))
    tiled = load(path, device="cpu", tile=272)
    assert np.abs(pixels(tiled, data, 3) - pixels(whole, data, 3)).max() <= 1


def test_a_tile_too_small_says_what_would_do(path: Path, data: bytes) -> None:
    codec = load(path, device="cpu", tile=160)
    codec.decompress(data)
    with pytest.raises(ConfigError, match="networks of the reverse path of random read") as caught:
        codec.decompress(data, 1)
    least = re.search(r"give at least (\d+), or auto", str(caught.value))
    assert least
    load(path, device="cpu", tile=int(least[1])).decompress(data, 1)


def test_what_the_path_cannot_take(codec: Codec, prior_reading_codec: Codec, data: bytes) -> None:
    static = codec.compress(random_picture(40, 40, seed=1), coding="static-huffman")
    assert codec.decompress(static, 0).size == (40, 40)
    with pytest.raises(BitstreamError, match="coded static-huffman lacks the index prior's parameters"):
        codec.decompress(static, 1)
    with pytest.raises(BitstreamError):
        codec.decompress(data[:-9], 1)
    with pytest.raises(ModelMismatch, match="made with a model of fingerprint"):
        codec.decompress(prior_reading_codec.compress(random_picture(40, 40, seed=1)), 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": -1}, "steps -1"),
        ({"steps": 65}, "steps 65"),
        ({"steps": 1, "randomness": -0.5}, "randomness -0.5"),
        ({"steps": 1, "randomness": float("nan")}, "randomness nan"),
        ({"steps": 1, "seed": -1}, "seed -1"),
        ({"steps": 2, "max_passes": 3}, "2 steps of the reverse path need a whole file"),
        ({"steps": 2, "partial": True}, "2 steps of the reverse path need a whole file"),
    ],
)
def test_options_that_are_refused(codec: Codec, data: bytes, options: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        codec.decompress(data, **options)  # pyright: ignore[reportArgumentType]


def test_a_model_without_a_path_says_how_to_make_one(tiny_model_path: Path, data: bytes) -> None:
    with pytest.raises(
        ModelError, match=r"random-reverse\.safetensors: not there: .* --stage reverse --init "
    ) as found:
        load(tiny_model_path, device="cpu").decompress(data, 1)
    assert "\n" not in str(found.value)
    frozen = dataclasses.replace(read_model(tiny_model_path), source=None)
    with pytest.raises(ModelError, match="just frozen"):
        Codec(frozen, load(tiny_model_path, device="cpu").device).decompress(data, 1)


def test_a_path_of_another_model_is_named(path: Path, codec: Codec, data: bytes, tmp_path: Path) -> None:
    (tmp_path / "tiny.safetensors").write_bytes(Path(read_model("tiny").source or "").read_bytes())
    (tmp_path / "tiny-reverse.safetensors").write_bytes((path.parent / "x-reverse.safetensors").read_bytes())
    other = load(tmp_path / "tiny.safetensors", device="cpu")
    with pytest.raises(ModelError, match=f"{codec.fingerprint.hex()}, tiny has {other.fingerprint.hex()}"):
        other.decompress(data, 1)
