"""From folders of pictures to shards: whole ones only, whatever happens on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import make_shards
import pytest

from hvqcgic.training.sources import find_shards
from tests.shard_files import picture_bytes, write_shard

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Nine pictures in two folders, one of them broken."""
    folder = tmp_path / "pictures"
    for i in range(9):
        path = folder / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture_bytes(i))
    (folder / "a/4.png").write_bytes(picture_bytes(4)[:60])
    (folder / "notes.txt").write_text("no picture")
    return folder


def run(*arguments: object) -> int:
    return make_shards.main([str(argument) for argument in arguments])


def test_shards_hold_every_picture_once(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "shards"
    assert run(pictures, "--out", out, "--max-pictures", 4) == 1
    said = capsys.readouterr()
    assert said.out.startswith("3 shards (0 were there), 8 pictures")
    (line,) = said.err.splitlines()
    assert line.startswith("hvqcgic: a/4.png: left out: the picture cannot be read, it is damaged or cut short")
    shards = find_shards(str(out))
    assert [shard.names for shard in shards] == [
        ("a/0.png", "a/2.png", "a/6.png"),
        ("a/8.png", "b/1.png", "b/3.png", "b/5.png"),
        ("b/7.png",),
    ]
    assert [int(picture[0, 0, 0]) for shard in shards for picture in shard.read()] == [0, 2, 6, 8, 1, 3, 5, 7]
    index = json.loads((out / "index.json").read_text())
    assert index["pictures"] == 8
    assert index["n_bytes"] == sum(path.stat().st_size for path in out.glob("*.tar"))
    assert list(index["skipped"]) == ["a/4.png"]
    assert run("--verify", out) == 0


def test_a_shard_holds_as_many_bytes_as_it_may(pictures: Path, tmp_path: Path) -> None:
    (pictures / "a/4.png").unlink()
    size = len(picture_bytes(0))
    assert run(pictures, "--out", tmp_path / "out", "--max-mb", 3.5 * size / 1e6, "--jobs", 2) == 0
    assert [len(shard.names) for shard in find_shards(str(tmp_path / "out"))] == [3, 3, 2]


def test_a_killed_run_goes_on_to_the_same_shards(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(60):
        (folder / f"{i:02}.png").write_bytes(picture_bytes(i, (900, 700)))
    assert run(folder, "--out", tmp_path / "whole", "--max-pictures", 2) == 0
    out = tmp_path / "killed"
    command = [sys.executable, "tools/make_shards.py", str(folder), "--out", str(out), "--max-pictures", "2"]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    while not list(out.glob("*.tar")):
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = {path.name: path.stat().st_mtime_ns for path in out.glob("*.tar")}
    assert 0 < len(there) < 30
    assert run(folder, "--out", out, "--max-pictures", 2) == 0
    made = {path.name: path.read_bytes() for path in out.iterdir()}
    assert made == {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    assert all((out / name).stat().st_mtime_ns == time_ns for name, time_ns in there.items())


def test_what_has_changed_since_is_named(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "shards"
    run(pictures, "--out", out, "--max-pictures", 4)
    capsys.readouterr()
    (out / "pictures-000000.tar").unlink()
    path = out / "pictures-000001.tar"
    path.write_bytes(path.read_bytes().replace(b"IEND", b"IXND", 1))
    assert run("--verify", out) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "pictures-000000.tar: cannot be read: there is no such file" in lines[0]
    assert "pictures-000001.tar: has changed since it was made" in lines[1]


def test_shards_of_other_pictures_are_not_mixed(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(pictures, "--out", tmp_path / "shards", "--max-pictures", 4)
    capsys.readouterr()
    assert run(pictures, "--out", tmp_path / "shards", "--max-pictures", 5) == 2
    assert "pictures-000000.tar: was made of other pictures or with other limits" in capsys.readouterr().err


def test_shards_from_elsewhere_get_an_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_shard(tmp_path / "x.tar", [("a.png", picture_bytes(1)), ("a.txt", b"text")], indexed=False)
    assert run("--index", tmp_path) == 0
    assert json.loads((tmp_path / "x.tar.json").read_text())["names"] == ["a.png"]
    assert run("--verify", tmp_path) == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["absent", "--out", "o"], "absent: there is no such folder"),
        ([".", "--out", "o"], "no pictures in this folder"),
        ([], "name folders of pictures"),
        (["--verify", "."], "index.json: no index of shards there"),
        (["--index", "."], "no tar files"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert text in line


def test_two_pictures_of_one_name_are_refused(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "b/0.png").write_bytes(picture_bytes(0))
    assert run(pictures / "a", pictures / "b", "--out", tmp_path / "out") == 2
    assert "would both be called 0.png" in capsys.readouterr().err
