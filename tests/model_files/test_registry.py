import json
from pathlib import Path

import pytest

from hvqcgic.errors import ModelError
from hvqcgic.model_files import registry as model_file
from hvqcgic.model_files.registry import (
    MAX_HEADER_BYTES,
    bundled_models,
    find_model,
    find_reverse,
    read_reverse_summary,
    read_summary,
    reverse_file_of,
)

METADATA = {"config": '{"codebook_size": 16}', "card": '{"steps": 3}', "fingerprint": "00112233445566ff"}


def write_model(path: Path, metadata: object) -> Path:
    header = json.dumps({"__metadata__": metadata}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return path


def test_summary(tmp_path: Path) -> None:
    path = write_model(tmp_path / "mine.safetensors", METADATA)
    summary = read_summary(path)
    assert (summary.name, summary.path, summary.size_bytes) == ("mine", path, path.stat().st_size)
    assert summary.fingerprint == bytes.fromhex("00112233445566ff")
    assert summary.config == {"codebook_size": 16}
    assert summary.card == {"steps": 3}
    assert summary.metadata == METADATA


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"\x10" + bytes(7) + b"{}",
        (MAX_HEADER_BYTES + 1).to_bytes(8, "little") + b"{}",
        b"\xff" * 8 + b"{}",
        b"\x02" + bytes(7) + b"{]",
        b"\x02" + bytes(7) + b"[]",
        b"\x02" + bytes(7) + b"{}",
        b"\x02" + bytes(7) + b"\xff\xff",
        (200000).to_bytes(8, "little") + b"[" * 200000,
    ],
)
def test_a_damaged_header_is_one_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"x\.safetensors: not a model file .*or damaged"):
        read_summary(path)


@pytest.mark.parametrize(
    "metadata",
    [
        "text",
        {},
        {**METADATA, "config": "[]"},
        {**METADATA, "config": 5},
        {**METADATA, "card": "{"},
        {**METADATA, "fingerprint": "0011"},
        {**METADATA, "fingerprint": "no digits here!!"},
    ],
)
def test_damaged_metadata_are_one_error(tmp_path: Path, metadata: object) -> None:
    with pytest.raises(ModelError, match="damaged"):
        read_summary(write_model(tmp_path / "x.safetensors", metadata))


def test_models_are_found_by_name_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_file, "WEIGHTS_FOLDER", tmp_path)
    small = write_model(tmp_path / "small.safetensors", METADATA)
    other = write_model(tmp_path / "other.model", METADATA)
    assert bundled_models() == {"small": small}
    assert find_model("small") == small
    assert find_model(other) == other
    with pytest.raises(ModelError, match=r"unknown model 'smal' \(did you mean small\?\): known are small"):
        find_model("smal")
    with pytest.raises(ModelError, match="is a folder"):
        find_model(tmp_path)
    with pytest.raises(ModelError, match="cannot be read: there is no such file"):
        read_summary(tmp_path / "missing")


def test_the_reverse_path_stands_beside_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_file, "WEIGHTS_FOLDER", tmp_path)
    small = write_model(tmp_path / "small.safetensors", METADATA)
    with pytest.raises(ModelError, match=rf"small-reverse\.safetensors: not there: .* --init {small}, then "):
        find_reverse(small)
    reverse = write_model(reverse_file_of(small), {**METADATA, "model": "8899aabbccddeeff"})
    assert find_reverse(small) == reverse == tmp_path / "small-reverse.safetensors"
    assert bundled_models() == {"small": small}
    assert read_reverse_summary(reverse).metadata["model"] == "8899aabbccddeeff"
    with pytest.raises(ModelError, match=r"small\.safetensors: holds no reverse path but a model"):
        read_reverse_summary(small)
    with pytest.raises(ModelError, match="does not name the model"):
        read_reverse_summary(write_model(reverse, {**METADATA, "model": "00"}))
