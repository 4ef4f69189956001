"""Models that were replaced: their files decode with whatever model one has, and they make no new files."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hvqcgic
import hvqcgic.pillow
from hvqcgic.codec.codec import Codec
from hvqcgic.errors import ModelError, ModelMismatch
from hvqcgic.model_files import registry
from hvqcgic.model_files.frozen_model import write_model
from hvqcgic.model_files.registry import WEIGHTS_FOLDER, bundled_models, bundled_name, find_model, retired_models
from tests.command_calls import Call
from tests.random_model import random_model, random_picture, small_config
from tests.random_reverse import model_with_reverse
from tools import replace_model

LARGEST_PACKAGE_BYTES = 40_000_000
RETIRED = "*-[0-9].*"
"""Files of models that the package has replaced already."""


SINGLE = ("--precision", "float32")
"""As the codecs that commands are compared with."""


@pytest.fixture(scope="module")
def exported(tiny_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a newly trained model, with a reverse path beside it."""
    return model_with_reverse(tiny_model_path, tmp_path_factory.mktemp("exported"))


@pytest.fixture
def folder(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package in which another model took the place of today's `tiny`, as the tool does it, and no other had."""
    weights = tmp_path / "weights"
    shutil.copytree(WEIGHTS_FOLDER, weights, ignore=shutil.ignore_patterns(RETIRED))
    monkeypatch.setattr(registry, "WEIGHTS_FOLDER", weights)
    assert replace_model.main(["tiny", str(exported)]) == 0
    return weights


@pytest.fixture(scope="module")
def old() -> Codec:
    """The codec of today's `tiny`."""
    return hvqcgic.load("tiny", device="cpu")


@pytest.fixture(scope="module")
def old_file(old: Codec) -> bytes:
    """Made before `tiny` was replaced."""
    return old.compress(random_picture(72, 56, seed=4))


def same(a: Image.Image, b: Image.Image) -> bool:
    return np.array_equal(np.asarray(a), np.asarray(b))


def test_the_tool_keeps_the_old_model_and_its_path(folder: Path, exported: Path, old: Codec) -> None:
    now = {path.name for path in folder.iterdir()}
    retired = {"tiny-1.safetensors", "tiny-1.md", "tiny-reverse-1.safetensors", "tiny-reverse-1.md"}
    before = {path.name for path in WEIGHTS_FOLDER.iterdir() if not path.match(RETIRED)}
    assert now == (before | retired) - {"tiny.md", "tiny-reverse.md"}
    assert (folder / "tiny-1.safetensors").read_bytes() == (WEIGHTS_FOLDER / "tiny.safetensors").read_bytes()
    assert (folder / "tiny.safetensors").read_bytes() == exported.read_bytes()
    assert list(bundled_models()) == ["tiny-frozen", "tiny-hvq", "tiny"]
    assert list(retired_models()) == ["tiny-1"]
    assert find_model("tiny-1") == folder / "tiny-1.safetensors"
    assert bundled_name(old.fingerprint) == "tiny-1"


def test_the_tool_counts_on_and_refuses_what_is_there(
    folder: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replace_model.main(["tiny", str(exported)]) == 2
    assert "is the bundled model tiny already" in capsys.readouterr().err
    assert replace_model.main(["huge", str(exported)]) == 2
    assert "no model 'huge' is bundled" in capsys.readouterr().err
    third = tmp_path / "third.safetensors"
    write_model(random_model(small_config(), seed=3).freeze(), third)
    assert replace_model.main(["tiny", str(third)]) == 0
    assert list(retired_models()) == ["tiny-1", "tiny-2"]
    assert not (folder / "tiny-reverse.safetensors").exists()


def test_a_file_of_a_retired_model_decodes_with_the_default(folder: Path, old: Codec, old_file: bytes) -> None:
    default = hvqcgic.load("tiny", device="cpu")
    assert default.fingerprint != old.fingerprint
    assert same(default.decompress(old_file), old.decompress(old_file))
    assert same(default.decompress(old_file, steps=1), old.decompress(old_file, steps=1))
    assert same(default.preview(old_file, max_passes=2).picture, old.preview(old_file, max_passes=2).picture)
    # And with a model that is none of the package's.
    assert same(hvqcgic.load("tiny-frozen", device="cpu").decompress(old_file), old.decompress(old_file))
    assert default.for_file(old_file).name == "tiny-1"


def test_commands_find_the_retired_model(call: Call, folder: Path, old: Codec, old_file: bytes, tmp_path: Path) -> None:
    coded = tmp_path / "old.hvq"
    coded.write_bytes(old_file)
    for number, options in enumerate(([], ["--model", "tiny"], ["--model", "tiny-1"], ["--steps", 1])):
        result = call("decompress", coded, "-o", tmp_path / f"{number}.png", "--json", *SINGLE, *options)
        assert json.loads(result.out)["model"] == "tiny-1"
        steps = 1 if "--steps" in options else 0
        assert same(Image.open(tmp_path / f"{number}.png"), old.decompress(old_file, steps=steps))
    assert "model           tiny-1 (fingerprint" in call("info", coded).out


def test_pillow_opens_files_of_a_retired_model(
    folder: Path, old: Codec, old_file: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hvqcgic.pillow, "_codecs", {})
    (tmp_path / "old.hvq").write_bytes(old_file)
    with Image.open(tmp_path / "old.hvq") as image:
        assert image.info["model"] == "tiny-1"
        assert same(image, old.decompress(old_file))
    with pytest.raises(ModelError, match="was replaced by tiny"):
        Image.new("RGB", (32, 32)).save(tmp_path / "new.hvq", model="tiny-1")


def test_a_retired_model_makes_no_new_files(call: Call, folder: Path, picture: Path, tmp_path: Path) -> None:
    for model in ("tiny-1", folder / "tiny-1.safetensors"):
        result = call("compress", picture, "-o", tmp_path / "out", "--model", model)
        assert result.code == 2
        assert "model tiny-1 was replaced by tiny" in result.complaint
        assert not (tmp_path / "out").exists()
    retired = hvqcgic.load("tiny-1", device="cpu")
    for make in (retired.compress, retired.encode):
        with pytest.raises(ModelError, match=r"model tiny-1 was replaced by tiny: .* use tiny"):
            make(picture)


def test_models_lists_a_retired_model_for_decoding_only(call: Call, folder: Path) -> None:
    lines = call("models").out.splitlines()
    assert [line.split(":")[0] for line in lines if not line.startswith(" ")] == [
        "tiny-frozen",
        "tiny-hvq",
        "tiny",
        "tiny-1",
    ]
    assert re.match(r"tiny-1: \d\.\d MB, for decoding, fingerprint ", lines[-1])
    assert lines[-1].endswith("; replaced by tiny")
    listed = json.loads(call("models", "--json").out)
    assert [model["name"] for model in listed["models"]] == ["tiny-frozen", "tiny-hvq", "tiny"]
    assert [(model["name"], model["successor"]) for model in listed["for_decoding"]] == [("tiny-1", "tiny")]


def test_a_users_file_with_a_number_is_an_ordinary_model(folder: Path, exported: Path, tmp_path: Path) -> None:
    mine = tmp_path / "tiny-1.safetensors"
    shutil.copyfile(exported, mine)
    assert hvqcgic.load(mine, device="cpu").compress(random_picture(40, 40, seed=1))
    assert registry.reverse_file_of(mine) == tmp_path / "tiny-1-reverse.safetensors"


def test_an_unknown_model_is_still_named(codec: Codec, old: Codec, folder: Path) -> None:
    other = random_model(small_config(), seed=9).freeze()
    data = Codec(other, old.device).compress(random_picture(40, 40, seed=1))
    with pytest.raises(ModelMismatch, match=other.fingerprint.hex()):
        codec.decompress(data)


def test_the_package_stays_small() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS_FOLDER.iterdir()) <= LARGEST_PACKAGE_BYTES
