"""`compress`, `decompress` and `compare` with a model: what they write and print, and what they leave behind."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hvqcgic
from hvqcgic.bitstream import MODES, Header, pack, unpack
from hvqcgic.cli.console import main
from tests.command_calls import Call, bad_pictures, save_picture
from tests.processes import Program


@pytest.fixture
def model(tiny_model_path: Path) -> Path:
    return tiny_model_path


def test_an_unknown_device_is_named_once(call: Call, tmp_path: Path, picture: Path, model: Path) -> None:
    save_picture(tmp_path / "in/y.png", seed=2)
    result = call("compress", picture.parent, "-o", tmp_path / "out", "--model", model, "--device", "gpu")
    assert result.code == 2
    assert result.complaint.startswith("hvqcgic: device 'gpu' is unknown")
    assert not (tmp_path / "out").exists()


def test_a_damaged_model_is_named_once(call: Call, tmp_path: Path, model: Path) -> None:
    save_picture(tmp_path / "in/x.png", seed=1)
    save_picture(tmp_path / "in/y.png", seed=2)
    content = model.read_bytes()
    changed = bytearray(content)
    changed[-100] ^= 1
    damaged = tmp_path / "damaged.safetensors"
    for data in (b"", content[: len(content) // 2], bytes(changed), b"not a model at all"):
        damaged.write_bytes(data)
        result = call("compress", tmp_path / "in", "-o", tmp_path / "out", "--model", damaged)
        assert result.code == 2
        assert "damaged.safetensors" in result.complaint
        assert not (tmp_path / "out").exists()


def test_a_picture_there_and_back(call: Call, tmp_path: Path, picture: Path, model: Path) -> None:
    result = call("compress", picture, "-o", tmp_path / "out", "--model", model, "--ratios", "0.3,0.4,0.3")
    assert (result.code, result.err) == (0, "")
    stream = tmp_path / "out/x.hvq"
    [line] = result.out.splitlines()
    for words in (str(picture), str(stream), f"{stream.stat().st_size} bytes", "bpp", "indices", "side information"):
        assert words in line
    result = call("decompress", stream, "-o", tmp_path / "again.png", "--model", model, "--json")
    assert (result.code, result.err) == (0, "")
    entry = json.loads(result.out)
    assert (entry["width"], entry["height"], entry["bytes"]) == (52, 37, stream.stat().st_size)
    with Image.open(tmp_path / "again.png") as again:
        assert (again.size, again.mode) == ((52, 37), "RGB")


@pytest.mark.parametrize("coding", MODES)
def test_every_coding_decodes_to_the_same_picture(
    call: Call, tmp_path: Path, picture: Path, model: Path, coding: str
) -> None:
    codec = hvqcgic.load(model, device="cpu", precision="auto")
    expected = np.asarray(codec.reconstruct(codec.encode(picture)))
    assert call("compress", picture, "-o", tmp_path, "--model", model, "--coding", coding).code == 0
    assert unpack((tmp_path / "x.hvq").read_bytes()).header.mode == coding
    assert call("decompress", tmp_path / "x.hvq", "-o", tmp_path, "--model", model).code == 0
    with Image.open(tmp_path / "x.png") as again:
        assert np.array_equal(np.asarray(again), expected)


def test_in_a_batch_the_bad_are_named_and_the_others_done(call: Call, tmp_path: Path, model: Path) -> None:
    bad = bad_pictures(tmp_path / "in")
    good = [save_picture(tmp_path / f"in/{name}.png", seed=3) for name in "ab"]
    result = call("compress", tmp_path / "in", bad["missing.png"], "-o", tmp_path / "out", "--model", model, "--json")
    assert result.code == 1
    assert len(result.err.splitlines()) == len(bad)
    assert all(name in result.err for name in bad)
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert [line["input"] for line in lines] == [
        *map(str, sorted((tmp_path / "in").iterdir())),
        str(bad["missing.png"]),
    ]
    assert [line["name"] for line in lines if line["status"] == "done"] == [path.name for path in good]
    assert {line["coding"] for line in lines if line["status"] == "done"} == {"adaptive"}
    assert [f"hvqcgic: {line['error']}" for line in lines if line["status"] == "failed"] == result.err.splitlines()
    streams = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in streams] == ["a.hvq", "b.hvq"]
    (tmp_path / "out/c.hvq").write_bytes(streams[0].read_bytes()[:-1])
    result = call("decompress", tmp_path / "out", "-o", tmp_path / "again", "--model", model)
    assert result.code == 1
    assert "c.hvq" in result.complaint
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == ["a.png", "b.png"]


def test_nothing_is_overwritten_unless_forced(call: Call, tmp_path: Path, picture: Path, model: Path) -> None:
    target = tmp_path / "x.hvq"
    target.write_bytes(b"precious")
    result = call("compress", picture, "-o", target, "--model", model)
    assert result.code == 2
    assert result.complaint == f"hvqcgic: {target}: exists already; --force overwrites it"
    assert target.read_bytes() == b"precious"
    assert call("compress", picture, "-o", target, "--model", model, "--force").code == 0
    assert target.read_bytes()[:3] == b"HVQ"


def test_a_full_disk_ends_the_batch(call: Call, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    for name in "ab":
        save_picture(tmp_path / f"in/{name}.png", seed=3)
    monkeypatch.setattr(os, "fsync", full)
    result = call("compress", tmp_path / "in", "-o", tmp_path / "out", "--model", model)
    assert result.code == 2
    assert "no space left" in result.complaint
    assert list((tmp_path / "out").iterdir()) == []


def test_nothing_is_left_when_terminated(
    call: Call, tmp_path: Path, picture: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.kill(os.getpid(), signal.SIGTERM))
    result = call("compress", picture, "-o", tmp_path / "out", "--model", model)
    assert result.code == 143
    assert "complete" in result.complaint
    assert list((tmp_path / "out").iterdir()) == []


def killed_while_writing(arguments: list[str]) -> None:
    os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)  # pyright: ignore[reportAttributeAccessIssue]
    main(arguments)


def test_no_half_file_bears_the_name_after_a_kill(tmp_path: Path, picture: Path, model: Path) -> None:
    arguments = ("compress", picture, "-o", tmp_path / "out", "--model", model, "--force")
    assert Program(killed_while_writing, list(map(str, arguments))).wait() == -signal.SIGKILL
    assert list((tmp_path / "out").glob("*.hvq")) == []


def test_compare_prints_what_other_programs_read(call: Call, tmp_path: Path, picture: Path, model: Path) -> None:
    save_picture(tmp_path / "in/y.png", seed=2, size=(16, 16))
    result = call("compare", picture.parent, "--model", model, "--ratios", "0.5,0.4,0.1", "--json")
    assert (result.code, result.err) == (0, "")
    summary = json.loads(result.out)
    assert set(summary) == {"model", "ratios", "pictures"}
    assert summary["ratios"] == [0.5, 0.4, 0.1]
    assert [(entry["name"], entry["width"], entry["height"]) for entry in summary["pictures"]] == [
        ("x.png", 52, 37),
        ("y.png", 16, 16),
    ]
    codec = hvqcgic.load(model, device="cpu", precision="auto")
    for entry in summary["pictures"]:
        assert set(entry) == {"name", "width", "height", "bytes", "estimated_bits", "parts"}
        path = picture.parent / entry["name"]
        assert entry["bytes"] == {
            coding: len(codec.compress(path, ratios=(0.5, 0.4, 0.1), coding=coding)) for coding in MODES
        }
        assert entry["estimated_bits"] == pytest.approx(8 * entry["bytes"]["adaptive"], abs=28 * 8 + 200)


def test_compare_shows_a_table_a_picture_and_the_mean(call: Call, tmp_path: Path, picture: Path, model: Path) -> None:
    save_picture(tmp_path / "in/y.png", seed=2)
    result = call("compare", picture.parent, "--model", model)
    assert (result.code, result.err) == (0, "")
    for coding in MODES:
        assert result.out.count(f"\n  {coding} ") == 3
    assert "mean of 2 pictures" in result.out


def test_another_models_stream_names_both_fingerprints(call: Call, tmp_path: Path, picture: Path, model: Path) -> None:
    assert call("compress", picture, "-o", tmp_path, "--model", model).code == 0
    container = unpack((tmp_path / "x.hvq").read_bytes())
    own = container.header.fingerprint
    foreign = Header(bytes(8), "adaptive", 52, 37, container.header.n_coarse, container.header.n_medium)
    (tmp_path / "x.hvq").write_bytes(pack(foreign, container.sections))
    result = call("decompress", tmp_path / "x.hvq", "-o", tmp_path, "--model", model)
    assert result.code == 2
    assert own.hex() in result.complaint
    assert "00" * 8 in result.complaint


def test_transparency_is_one_line_of_warning(call: Call, tmp_path: Path, model: Path) -> None:
    path = tmp_path / "x.png"
    Image.new("RGBA", (20, 20), (0, 100, 200, 128)).save(path)
    result = call("compress", path, "-o", tmp_path, "--model", model)
    assert result.code == 0
    assert result.complaint == f"hvqcgic: warning: {path}: transparency is laid over white"
