"""`decompress --preview` and `--partial`."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.command_calls import Call, save_picture


@pytest.fixture
def stream(call: Call, tmp_path: Path, tiny_model_path: Path) -> Path:
    picture = save_picture(tmp_path / "in/x.png", seed=1, size=(90, 70))
    assert call("compress", picture, "-o", tmp_path / "x.hvq", "--model", tiny_model_path).code == 0
    return tmp_path / "x.hvq"


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_a_preview_of_some_passes(call: Call, tmp_path: Path, stream: Path, tiny_model_path: Path) -> None:
    out = tmp_path / "x.png"
    found = call("decompress", stream, "-o", out, "--model", tiny_model_path, "--preview", 3)
    assert found.code == 0, found.err
    assert "90 x 70 pixels from 3 passes, about " in found.out
    assert "of the cells read, the others completed" in found.out
    assert not found.err
    assert size_of(out) == (90, 70)


def test_what_has_come_of_a_download(call: Call, tmp_path: Path, stream: Path, tiny_model_path: Path) -> None:
    data = stream.read_bytes()
    stream.write_bytes(data[: len(data) * 2 // 3])
    options = "-o", tmp_path / "x.png", "--model", tiny_model_path
    refused = call("decompress", stream, *options)
    assert refused.code == 2
    assert "cut short" in refused.complaint
    found = call("decompress", stream, *options, "--partial", "--json")
    assert found.code == 0, found.err
    line = json.loads(found.out)
    assert 0 < line["share_read"] < 1
    assert line["bytes_read"] <= len(data) * 2 // 3
    assert line["passes"][0] == "coarse"
    assert line["checked"] is False
    assert "its checksum could not be checked" in found.err
    assert size_of(tmp_path / "x.png") == (90, 70)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--preview", "0"), "not a whole number above 0"),
        (("--preview", "8"), "8 passes cannot be read: random has 7; give 1 to 7"),
        (("--preview", "2", "--skip-existing"), "--skip-existing cannot tell a preview from the whole picture"),
    ],
)
def test_what_cannot_be_previewed(
    call: Call, tmp_path: Path, stream: Path, tiny_model_path: Path, options: tuple[str, ...], words: str
) -> None:
    found = call("decompress", stream, "-o", tmp_path / "x.png", "--model", tiny_model_path, *options)
    assert found.code == 2
    assert words in found.err
    assert not (tmp_path / "x.png").exists()
