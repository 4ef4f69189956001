"""Shards through workers of Dask: every picture once in the table, whatever dies on the way."""

import csv
import io
import json
import signal
import tarfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqcgic.codec.codec import Codec
from hvqcgic.evaluation.results import Row
from hvqcgic.evaluation.spec import parse_specs
from hvqcgic.scale.cli import main
from hvqcgic.scale.options import build_parser
from hvqcgic.scale.parts import Part
from hvqcgic.scale.request import Work, find_places, read_request
from hvqcgic.scale.table import TABLE, write_table
from hvqcgic.scale.tasks import do_shard
from tests.command_calls import Call, caller
from tests.processes import run_module
from tests.random_model import random_picture
from tests.scale.processes import cluster, process
from tests.shard_files import picture_bytes, write_shard

PICTURES = 3


def write_pictures(folder: Path, shards: int, *, size: tuple[int, int] = (72, 64)) -> Path:
    folder.mkdir()
    for shard in range(shards):
        members = []
        for i in range(PICTURES):
            buffer = io.BytesIO()
            Image.fromarray(random_picture(*size, seed=PICTURES * shard + i)).save(buffer, "PNG")
            members.append((f"deep/{shard}-{i}.png", buffer.getvalue()))
        write_shard(folder / f"in-{shard:02}.tar", members)
    return folder


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def counted(folder: Path) -> Counter[tuple[str, str]]:
    return Counter((row["shard"], row["picture"]) for row in table(folder))


def all_of(shards: int) -> Counter[tuple[str, str]]:
    return Counter((f"in-{shard:02}", f"deep/{shard}-{i}.png") for shard in range(shards) for i in range(PICTURES))


def work_of(words: list[str]) -> Work:
    return read_request(build_parser().parse_args(words)).work


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls the command in this process, where no worker is needed."""
    return caller(main, capsys)


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing_but_time(tmp_path: Path, tiny_model_path: Path) -> None:
    shards, out = write_pictures(tmp_path / "shards", 16, size=(360, 320)), tmp_path / "out"
    with cluster(tmp_path, 2) as found:
        words = ("compress", shards, "--codecs", f"hvqcgic:{tiny_model_path}@ratios=0.5,0.4,0.1", "--out", out)
        with process("hvqcgic.scale", *words, "--scheduler", found.address, "--json") as running:
            # Of two workers that have one shard each, one is killed as soon as a shard is done.
            while not list(out.glob("parts/*.json")):
                assert running.poll() is None, running.communicate()
                time.sleep(0.01)
            found.workers[0].send_signal(signal.SIGKILL)
            found.workers[0].wait()
            assert len(list(out.glob("parts/*.json"))) < 16
            said, complaints = running.communicate(timeout=300)
    assert running.returncode == 0, complaints
    assert "16 of 16 shards done" in complaints
    assert "workers at the end: 1" in complaints
    assert counted(out) == all_of(16)
    assert json.loads(said)["shards"] == {"done": 16, "failed": 0}
    assert sum(int(row["bytes"]) for row in table(out)) == json.loads(said)["n_bytes"]


@pytest.mark.slow
def test_workers_of_this_machine_do_what_they_can_and_a_second_call_only_the_rest(tmp_path: Path) -> None:
    shards, out = write_pictures(tmp_path / "shards", 3), tmp_path / "out"
    missing = f"pipe:cat {tmp_path}/late.tar"
    options = ("compress", shards, missing, "--codecs", "jpeg@20", "--out", out)
    first = run_module("hvqcgic.scale", *options, "--workers", 2)
    assert first.returncode == 1
    lines = first.stderr.splitlines()
    assert f"hvqcgic: {missing}: cannot be fetched: the command ended with exit code 1; check the address" in lines
    assert "9 rows of 3 shards" in first.stdout
    assert counted(out) == all_of(3)
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("parts/*")}
    write_shard(tmp_path / "late.tar", [("late.png", picture_bytes(9))])
    again = run_module("hvqcgic.scale", *options, "--workers", 1)
    assert again.returncode == 0, again.stderr
    assert "1 of 1 shards done" in again.stderr
    assert counted(out) == all_of(3) + Counter([("late", "late.png")])
    assert before.items() < {path.name: path.stat().st_mtime_ns for path in out.glob("parts/*")}.items()


def test_streams_are_those_of_the_codec(tmp_path: Path, tiny_model_path: Path, codec: Codec) -> None:
    shards, out = write_pictures(tmp_path / "shards", 1), tmp_path / "out"
    spec = f"hvqcgic:{tiny_model_path}@ratios=0.2,0.4,0.4"
    work = work_of(["compress", str(shards), "--codecs", spec, "--out", str(out)])
    (place,) = find_places([str(shards)]).values()
    assert do_shard(work, "in-00", place) == PICTURES
    with tarfile.open(out / "streams/in-00.tar") as tar:
        assert tar.getnames() == [f"deep/0-{i}.hvq" for i in range(PICTURES)]
        for i in range(PICTURES):
            stream = tar.extractfile(f"deep/0-{i}.hvq")
            assert stream is not None
            picture = random_picture(72, 64, seed=i)
            assert stream.read() == codec.compress(picture, ratios=(0.2, 0.4, 0.4))


def test_evaluation_measures_each_picture_at_each_point(tmp_path: Path, call: Call) -> None:
    shards, out = write_pictures(tmp_path / "shards", 1), tmp_path / "out"
    options = ["evaluate", str(shards), "--codecs", "jpeg@20;60", "--metrics", "psnr_db", "--out", str(out)]
    (place,) = find_places([str(shards)]).values()
    do_shard(work_of(options), "in-00", place)
    done = call(*options)
    assert (done.code, done.err) == (0, "")
    rows = table(out)
    assert [row["point"] for row in rows] == ["quality=20", "quality=60"] * PICTURES
    for row in rows:
        picture = random_picture(72, 64, seed=int(row["picture"][7]))
        jpeg = parse_specs(["jpeg@20"]).codecs[0].open(row["point"], device="cpu")
        data = jpeg.encode(picture)
        error = np.mean((jpeg.decode(data).astype(float) - picture) ** 2)
        assert int(row["bytes"]) == len(data)
        assert float(row["bpp"]) == 8 * len(data) / (72 * 64)
        assert float(row["psnr_db"]) == pytest.approx(10 * np.log10(255**2 / error), abs=1e-3)
    assert sorted(path.name for path in out.iterdir()) == ["parts", "run.json", "table.csv"]


@pytest.mark.parametrize("command", ["compress", "evaluate"])
def test_a_broken_picture_is_a_row_of_its_own(tmp_path: Path, command: str, call: Call) -> None:
    shards, out = write_pictures(tmp_path / "shards", 1), tmp_path / "out"
    write_shard(shards / "bad.tar", [("bad.png", b"text"), ("cut.png", (shards / "in-00.tar").read_bytes()[512:900])])
    options = [command, str(shards), "--codecs", "jpeg@20", "--out", str(out)]
    options += ["--metrics", "psnr_db"] if command == "evaluate" else []
    work = work_of(options)
    for name, place in find_places([str(shards)]).items():
        do_shard(work, name, place)
    done = call(*options)
    assert done.code == 1
    lines = done.err.splitlines()
    assert lines[0] == "hvqcgic: bad: bad.png, jpeg, quality=20: failed: not a picture that Pillow can read"
    assert lines[1].startswith("hvqcgic: bad: cut.png, jpeg, quality=20: failed: the picture cannot be read")
    assert lines[2] == "hvqcgic: 2 of 5 rows failed; all of them are in the table"
    assert Counter(row["status"] == "ok" for row in table(out)) == {True: 3, False: 2}


def test_a_shard_that_changed_is_done_again(tmp_path: Path) -> None:
    shards = write_pictures(tmp_path / "shards", 1)
    work = work_of(["compress", str(shards), "--codecs", "jpeg@20", "--out", str(tmp_path / "out")])
    (place,) = find_places([str(shards)]).values()
    assert do_shard(work, "in-00", place) == PICTURES
    write_shard(Path(place), [("one.jpg", b"no picture")])
    assert do_shard(work, "in-00", place) == 1


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["compress", ".", "--codecs", "jpeg@20;60"], "takes one codec at one point"),
        (["compress", ".", "--metrics", "psnr_db"], "--metrics does not go with compress"),
        (["evaluate", ".", "--metrics", "beauty"], "unknown metric 'beauty'"),
        (["evaluate", "absent.tar"], "absent.tar: no such file"),
        (["evaluate", "empty"], "empty: no tar shards in this folder"),
        (["evaluate", ".", "twin/in-00.tar"], "both are called in-00"),
        (
            ["compress", ".", "--codecs", "jpeg@20", "--scheduler", "tcp://127.0.0.1:9"],
            "tcp://127.0.0.1:9: cannot be reached",
        ),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call, words: list[str], text: str
) -> None:
    folder = write_pictures(tmp_path / "shards", 1)
    (folder / "empty").mkdir()
    (tmp_path / "twin").mkdir()
    (tmp_path / "twin/in-00.tar").write_bytes((folder / "in-00.tar").read_bytes())
    monkeypatch.chdir(folder)
    monkeypatch.setattr("hvqcgic.scale.cluster._CONNECT_TIMEOUT", "0.5s")
    words = [word.replace("twin", str(tmp_path / "twin")) for word in words]
    done = call(*words, "--out", tmp_path / "out")
    assert done.code == 2
    assert text in done.complaint


def test_results_of_other_settings_are_not_mixed(tmp_path: Path, call: Call) -> None:
    shards, out = write_pictures(tmp_path / "shards", 1), tmp_path / "out"
    work = work_of(["compress", str(shards), "--codecs", "jpeg@20", "--out", str(out)])
    (place,) = find_places([str(shards)]).values()
    do_shard(work, "in-00", place)
    assert call("compress", shards, "--codecs", "jpeg@20", "--out", out).code == 0
    other = call("compress", shards, "--codecs", "jpeg@30", "--out", out)
    assert other.code == 2
    assert "holds results of other settings, see `codecs`" in other.complaint


def test_a_name_that_is_not_utf_8_is_in_the_table(tmp_path: Path) -> None:
    row = Row("\udcff.png", 4, 4, "jpeg", "20", bytes=5, bpp=2.5)
    parts = (Part("a.tar", "a.tar", "", (row,), {}),)
    write_table(tmp_path, lambda: iter(parts), failed_shown=1)
    assert b"\xff.png" in (tmp_path / TABLE).read_bytes()
