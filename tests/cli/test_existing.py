"""`--skip-existing`: what is left as it is, what is made anew, and what is not touched without `--force`."""

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from hvqcgic.bitstream import Header, pack, unpack
from hvqcgic.model_files.frozen_model import read_model, write_model
from tests.command_calls import Call, Result, save_picture
from tests.random_proxy import with_random_proxy


@pytest.fixture(params=[False, True], ids=["cells by density", "cells by distortion"])
def model(request: pytest.FixtureRequest, tiny_model_path: Path, tmp_path: Path) -> Path:
    """A model without a proxy decoder and one with."""
    if not request.param:
        return tiny_model_path
    path = tmp_path / "model.safetensors"
    write_model(with_random_proxy(read_model(tiny_model_path)), path)
    return path


@pytest.fixture
def out(call: Call, tmp_path: Path, model: Path) -> Path:
    """A folder `in` with two pictures, and `out` with their streams."""
    for seed, name in enumerate("ab"):
        save_picture(tmp_path / f"in/{name}.png", seed=seed)
    assert call("compress", tmp_path / "in", "-o", tmp_path / "out", "--model", model).code == 0
    return tmp_path / "out"


def again(call: Call, out: Path, model: Path, *options: object) -> Result:
    return call("compress", out.parent / "in", "-o", out, "--model", model, "--skip-existing", *options)


def marks(folder: Path) -> dict[str, tuple[int, int]]:
    """Which files these are; one that is replaced is another."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in sorted(folder.iterdir())}


def test_what_is_done_is_left_as_it_is(call: Call, out: Path, model: Path) -> None:
    before = marks(out)
    result = again(call, out, model)
    assert (result.code, result.err) == (0, "")
    assert [line.endswith("skipped") for line in result.out.splitlines()] == [True, True]
    assert marks(out) == before


def test_a_quality_is_compared_with_the_ratios_of_files(call: Call, out: Path, model: Path) -> None:
    assert again(call, out, model, "-q", 90, "--force").code == 0
    before = marks(out)
    result = again(call, out, model, "-q", 90)
    assert (result.code, result.err) == (0, "")
    assert [line.endswith("skipped") for line in result.out.splitlines()] == [True, True]
    assert marks(out) == before


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty"])
def test_what_is_damaged_is_made_anew(call: Call, out: Path, model: Path, damage: str) -> None:
    before, whole = marks(out), (out / "b.hvq").read_bytes()
    damaged = {"truncated": whole[:-7], "changed": whole[:20] + bytes(1) + whole[21:], "empty": b""}[damage]
    (out / "b.hvq").write_bytes(damaged)
    result = again(call, out, model)
    assert (result.code, result.err) == (0, "")
    assert [line.endswith("skipped") for line in result.out.splitlines()] == [True, False]
    assert (out / "b.hvq").read_bytes() == whole
    assert marks(out)["a.hvq"] == before["a.hvq"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--ratios", "0,0.5,0.5"], "has ratios 0."),
        (["--quality", "90"], "has ratios 0."),
        (["--coding", "zip"], "is coded adaptive"),
        (["--max-bytes", "60"], "bytes; --force"),
        (["--bpp", "12"], "bpp; --force"),
        (["--model", "tiny"], "was made with another model, of fingerprint"),
    ],
)
def test_what_is_whole_but_of_another_run_is_not_touched(
    call: Call, out: Path, model: Path, options: list[str], words: str
) -> None:
    before = marks(out)
    result = again(call, out, model, *options)
    assert result.code == 1
    for line, name in zip(result.err.splitlines(), ("a.hvq", "b.hvq"), strict=True):
        assert line.startswith(f"hvqcgic: {out / name}: exists already, and ")
    assert words in result.err
    assert marks(out) == before


def test_force_replaces_what_is_of_another_run_alone(call: Call, out: Path, model: Path) -> None:
    before = marks(out)
    assert (
        call("compress", out.parent / "in/a.png", "-o", out, "--model", model, "--ratios", "0,0.5,0.5", "--force").code
        == 0
    )
    assert unpack((out / "a.hvq").read_bytes()).header.ratios == pytest.approx((0, 0.5, 0.5), abs=0.1)
    result = again(call, out, model, "--force")
    assert (result.code, result.err) == (0, "")
    assert [line.endswith("skipped") for line in result.out.splitlines()] == [False, True]
    assert marks(out)["b.hvq"] == before["b.hvq"]


def test_targets_that_were_met_are_done(call: Call, tmp_path: Path, model: Path) -> None:
    save_picture(tmp_path / "in/a.png", seed=1, size=(96, 80))
    options = ["--model", model, "--skip-existing"]
    for number, target in enumerate((["--bpp", "0.4"], ["--max-bytes", "330"], ["--bpp", "20", "--clamp"])):
        folder = tmp_path / str(number)
        assert call("compress", tmp_path / "in", "-o", folder, *options, *target).code == 0
        before = marks(folder)
        assert call("compress", tmp_path / "in", "-o", folder, *options, *target).code == 0
        assert marks(folder) == before


def test_a_picture_that_has_changed_is_named(call: Call, out: Path, model: Path) -> None:
    picture = out.parent / "in/b.png"
    os.utime(picture, ns=(2 * 10**18, 2 * 10**18))
    result = again(call, out, model)
    assert result.code == 1
    assert f"b.hvq: exists already, and is older than {picture}; --force overwrites it" in result.complaint
    save_picture(picture, seed=5, size=(20, 30))
    os.utime(picture, (0, 0))
    assert "is of a picture of 52 x 37 pixels" in again(call, out, model).complaint
    picture.write_bytes(b"no picture")
    assert "b.png: not a picture" in again(call, out, model).complaint


def test_what_is_no_stream_is_not_touched(call: Call, out: Path, model: Path) -> None:
    (out / "b.hvq").write_bytes(b"precious")
    result = again(call, out, model)
    assert result.code == 1
    assert "b.hvq: exists already, and is no stream to go on with" in result.complaint
    assert (out / "b.hvq").read_bytes() == b"precious"


def test_a_picture_stored_lying_is_done(call: Call, tmp_path: Path, model: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 24)).save(tmp_path / "x.jpg", exif=exif)
    options = ["compress", tmp_path / "x.jpg", "-o", tmp_path, "--model", model, "--skip-existing"]
    assert call(*options).code == 0
    result = call(*options)
    assert result.code == 0
    assert result.out.endswith("skipped\n")


def test_decoded_pictures_are_left_or_made_anew(call: Call, out: Path, tmp_path: Path, model: Path) -> None:
    pictures = tmp_path / "decoded"
    options = ["decompress", out, "-o", pictures, "--model", model, "--skip-existing"]
    assert call(*options).code == 0
    before, whole = marks(pictures), (pictures / "b.png").read_bytes()
    for damaged in (whole[:-100], b""):
        (pictures / "b.png").write_bytes(damaged)
        result = call(*options)
        assert (result.code, result.err) == (0, "")
        assert [line.endswith("skipped") for line in result.out.splitlines()] == [True, False]
        assert (pictures / "b.png").read_bytes() == whole
    assert marks(pictures)["a.png"] == before["a.png"]


def test_pictures_that_are_others_are_not_touched(call: Call, out: Path, tmp_path: Path, model: Path) -> None:
    pictures = tmp_path / "decoded"
    shutil.copytree(tmp_path / "in", pictures)
    save_picture(pictures / "a.png", seed=1, size=(30, 20))
    os.utime(pictures / "b.png", (0, 0))
    before = marks(pictures)
    result = call("decompress", out, "-o", pictures, "--model", model, "--skip-existing")
    assert result.code == 1
    first, second = result.err.splitlines()
    assert "a.png: exists already, and is another picture, RGB of 30 x 20 pixels; --force" in first
    assert f"b.png: exists already, and is older than {out / 'b.hvq'}; --force" in second
    (pictures / "b.png").write_bytes(b"precious")
    assert (
        "b.png: exists already, and is no picture"
        in call("decompress", out / "b.hvq", "-o", pictures, "--model", model, "--skip-existing").complaint
    )
    (pictures / "b.png").unlink()
    assert marks(pictures)["a.png"] == before["a.png"]


def test_a_damaged_stream_is_named_though_its_picture_is_there(
    call: Call, out: Path, tmp_path: Path, model: Path
) -> None:
    options = ["decompress", out, "-o", tmp_path / "decoded", "--model", model, "--skip-existing"]
    assert call(*options).code == 0
    (out / "a.hvq").write_bytes((out / "a.hvq").read_bytes()[:-1])
    result = call(*options)
    assert result.code == 1
    assert "a.hvq: " in result.complaint


def test_nothing_is_loaded_for_what_is_done(call: Call, tmp_path: Path) -> None:
    # No model has this fingerprint: the stream could not be decoded.
    (tmp_path / "x.hvq").write_bytes(pack(Header(bytes(8), "adaptive", 64, 48, 6, 10), [b"indices"]))
    Image.new("RGB", (64, 48)).save(tmp_path / "x.png")
    result = call("decompress", tmp_path / "x.hvq", "-o", tmp_path, "--skip-existing")
    assert (result.code, result.err) == (0, "")


def test_left_overs_of_killed_runs_are_removed(call: Call, out: Path, model: Path) -> None:
    old, young = out / ".hvqcgic-old.part", out / ".hvqcgic-young.part"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert again(call, out, model).code == 0
    assert not old.exists()
    assert young.exists()
