"""The commands, in this process except where the process itself is what is tested."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hvqcgic
from hvqcgic import model_file
from hvqcgic.bitstream import MODES, Header, pack, unpack
from hvqcgic.cli import main
from hvqcgic.commands import info
from hvqcgic.commands.terminal import progress_bar

STREAM = pack(Header(bytes(8), "adaptive", 64, 48, 6, 10), [b"indices"])

Call = Callable[..., "Result"]


class Result:
    """What one call of the command left behind."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def complaint(self) -> str:
        """The one line on stderr."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("hvqcgic: ")
        return lines[0]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*arguments: object) -> Result:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as error:
            code = int(error.code or 0)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


@pytest.fixture
def model(request: pytest.FixtureRequest) -> Path:
    """A small model of random weights: the shared fixture `tiny_model_path`, where there is one yet."""
    try:
        return request.getfixturevalue("tiny_model_path")
    except pytest.FixtureLookupError:
        pytest.skip("no fixture tiny_model_path, which exports a model of random weights")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return save_picture(tmp_path / "in/x.png", seed=1)


def save_picture(path: Path, *, seed: int, size: tuple[int, int] = (52, 37)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


@pytest.mark.parametrize("command", [[], ["compress"], ["decompress"], ["compare"], ["info"], ["models"]])
def test_help_is_for_stdout(call: Call, command: list[str]) -> None:
    result = call(*command, "--help")
    assert result.code == 0
    assert result.out.startswith("usage: hvqcgic")
    assert result.err == ""


def test_version(call: Call) -> None:
    assert call("--version").out == f"hvqcgic {hvqcgic.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["compres"], "compres"),
        (["compress", "x.png"], "-o/--output"),
        (["compress", "-o", "out"], "IN"),
        (["compress", "x.png", "-o", "out", "--ratio", "1,0,0"], "--ratio"),
        (["compress", "x.png", "-o", "out", "--ratios", "1,0"], "'1,0' is not three numbers"),
        (["compress", "x.png", "-o", "out", "--ratios", "a,b,c"], "'a,b,c' is not three numbers"),
        (["compress", "x.png", "-o", "out", "--coding", "best"], "static-huffman"),
        (["compress", "x.png", "-o", "out", "--threads", "0"], "'0' is not a whole number"),
        (["info"], "FILE"),
    ],
)
def test_wrong_usage_is_one_line(call: Call, arguments: list[str], message: str) -> None:
    result = call(*arguments)
    assert result.code == 2
    assert message in result.complaint
    assert "--help" in result.complaint
    assert result.out == ""


@pytest.mark.parametrize("ratios", ["0.5,0.4,0.2", "-0.1,0.6,0.5", "0.5,0.6,-0.1", "nan,0.5,0.5", "inf,0,0"])
@pytest.mark.parametrize("command", ["compress", "compare"])
def test_impossible_ratios_are_named(call: Call, tmp_path: Path, picture: Path, command: str, ratios: str) -> None:
    model = tmp_path / "model"
    model.touch()
    output = ["-o", tmp_path / "out"] if command == "compress" else []
    # Twice the same picture's folder: the fault is not the pictures', so it is named once.
    result = call(command, picture, picture.parent, "--ratios", ratios, "--model", model, *output)
    assert result.code == 2
    assert "ratios" in result.complaint
    assert str(float(ratios.split(",")[0])) in result.complaint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["compress", "compare"])
def test_an_unknown_model_is_named_once(call: Call, tmp_path: Path, picture: Path, command: str) -> None:
    save_picture(tmp_path / "in/y.png", seed=2)
    output = ["-o", tmp_path / "out"] if command == "compress" else []
    result = call(command, picture.parent, "--model", "enormous", *output)
    assert result.code == 2
    assert "unknown model 'enormous'" in result.complaint


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


def bad_pictures(folder: Path) -> dict[str, Path]:
    folder.mkdir()
    whole = save_picture(folder / "whole.jpg", seed=3, size=(200, 200)).read_bytes()
    (folder / "whole.jpg").unlink()
    contents = {"empty.png": b"", "text.jpg": b"This is a text file.\n", "cut.jpg": whole[: len(whole) // 2]}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in (*contents, "missing.png")}


@pytest.mark.parametrize("name", ["empty.png", "text.jpg", "cut.jpg", "missing.png"])
@pytest.mark.parametrize("command", ["compress", "compare"])
def test_a_bad_picture_is_one_line(call: Call, tmp_path: Path, command: str, name: str) -> None:
    bad = bad_pictures(tmp_path / "in")[name]
    model = tmp_path / "model"
    model.touch()
    output = ["-o", tmp_path / "out"] if command == "compress" else []
    result = call(command, bad, "--model", model, *output)
    assert result.code == 2
    assert name in result.complaint
    assert result.out == ""
    assert not (tmp_path / "out").exists()


def test_a_folder_without_pictures_is_one_line(call: Call, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.touch()
    (tmp_path / "in").mkdir()
    result = call("compress", tmp_path / "in", "-o", tmp_path / "out", "--model", model)
    assert result.code == 2
    assert "no pictures in this folder" in result.complaint
    result = call("decompress", tmp_path / "in", "-o", tmp_path / "out")
    assert "no streams in this folder" in result.complaint


def test_two_inputs_for_one_output_are_refused(call: Call, tmp_path: Path) -> None:
    first, second = save_picture(tmp_path / "a/x.png", seed=1), save_picture(tmp_path / "b/x.jpg", seed=2)
    result = call("compress", first, second, "-o", tmp_path / "out")
    assert result.code == 2
    assert str(first) in result.complaint
    assert str(second) in result.complaint


def test_info(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "x.hvq"
    path.write_bytes(STREAM)
    text = call("info", path)
    assert (text.code, text.err) == (0, "")
    assert text.out.startswith(f"x.hvq: 64 x 48 pixels, {len(STREAM)} bytes")
    facts = json.loads(call("info", path, "--json").out)
    assert facts["fingerprint"] == "00" * 8
    assert facts["model"] is None
    assert facts["cells"] == {"fine": 4 * (4 * 6 - 10), "medium": 10, "coarse": 6}
    assert facts["ratios"] == pytest.approx([14 / 48, 10 / 48, 6 / 12])
    assert facts["sections"] == [7]
    assert facts["bpp"] == pytest.approx(8 * len(STREAM) / (64 * 48))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\xff\xd8\xff\xe0 a JPEG", "not a .hvq stream"),
        (STREAM[:20], "cut short"),
        (STREAM[:-1], "cut short"),
        (STREAM[:15] + b"\x00" + STREAM[16:], "damaged"),
        (b"HVQ\x09" + STREAM[4:], "version 9"),
    ],
)
@pytest.mark.parametrize("command", ["info", "decompress"])
def test_a_bad_stream_is_one_line(call: Call, tmp_path: Path, command: str, content: bytes, message: str) -> None:
    path = tmp_path / "x.hvq"
    path.write_bytes(content)
    output = ["-o", tmp_path / "out"] if command == "decompress" else []
    result = call(command, path, *output)
    assert result.code == 2
    assert "x.hvq: " in result.complaint
    assert message in result.complaint
    assert result.out == ""
    assert not (tmp_path / "out").exists()


def test_a_stream_of_no_bundled_model_names_all_fingerprints(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_file, "WEIGHTS_FOLDER", tmp_path)
    metadata = {"config": "{}", "card": "{}", "fingerprint": "a1" * 8}
    header = json.dumps({"__metadata__": metadata}).encode()
    (tmp_path / "tiny.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    (tmp_path / "x.hvq").write_bytes(STREAM)
    result = call("decompress", tmp_path / "x.hvq", "-o", tmp_path / "out")
    assert result.code == 2
    assert "00" * 8 in result.complaint
    assert f"tiny has {'a1' * 8}" in result.complaint


def test_models_lists_cards_and_names_damaged_files(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_file, "WEIGHTS_FOLDER", tmp_path)
    assert "no model is bundled" in call("models").out
    card = {"data": ["photographs", "dead leaves"], "steps": {"joint": 100}}
    metadata = {"config": '{"codebook_size": 1024}', "card": json.dumps(card), "fingerprint": "a1" * 8}
    header = json.dumps({"__metadata__": metadata}).encode()
    (tmp_path / "tiny.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    result = call("models")
    assert result.code == 0
    for words in ("tiny: ", "codebook of 1024", "a1" * 8, "photographs, dead leaves", "joint 100"):
        assert words in result.out
    (tmp_path / "worse.safetensors").write_bytes(b"junk")
    result = call("models", "--json")
    assert result.code == 1
    assert "worse.safetensors" in result.complaint
    assert [entry["card"] for entry in json.loads(result.out)["models"]] == [card]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_is_one_line(
    call: Call, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    monkeypatch.setattr(info, "run", lambda arguments: os.kill(os.getpid(), number))
    before = signal.getsignal(signal.SIGTERM)
    result = call("info", "x.hvq")
    assert result.code == code
    assert "complete" in result.complaint
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here to stand for a full disk")
def test_a_full_disk_behind_stdout_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.hvq").write_bytes(STREAM)
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "hvqcgic", "info", str(tmp_path / "x.hvq")],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert run.returncode == 2
    assert Result(2, "", run.stderr).complaint.startswith("hvqcgic: the standard output cannot be written")


def test_a_reader_that_has_gone_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "x.hvq").write_bytes(STREAM)
    reader, writer = os.pipe()
    os.close(reader)
    run = subprocess.run(
        [sys.executable, "-m", "hvqcgic", "info", str(tmp_path / "x.hvq")],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert (run.returncode, run.stderr) == (1, "")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("terminal", "total", "shown"), [(True, 2, True), (True, 1, False), (False, 2, False)])
def test_the_bar_is_for_terminals_and_batches(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, total: int, shown: bool
) -> None:
    stderr = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with progress_bar("compress", total) as advance:
        for _ in range(total):
            advance("mean 0.3 bpp")
    assert ("mean 0.3 bpp" in stderr.getvalue()) == shown
    assert bool(stderr.getvalue()) == shown


def test_a_picture_there_and_back(call: Call, tmp_path: Path, picture: Path, model: Path) -> None:
    result = call("compress", picture, "-o", tmp_path / "out", "--model", model, "--ratios", "0.3,0.4,0.3")
    assert (result.code, result.err) == (0, "")
    stream = tmp_path / "out/x.hvq"
    [line] = result.out.splitlines()
    for words in (str(picture), str(stream), f"{stream.stat().st_size} bytes", "bpp", "indices", "side information"):
        assert words in line
    result = call("decompress", stream, "-o", tmp_path / "again.png", "--model", model, "--json")
    assert (result.code, result.err) == (0, "")
    [entry] = json.loads(result.out)["pictures"]
    assert (entry["width"], entry["height"], entry["bytes"]) == (52, 37, stream.stat().st_size)
    with Image.open(tmp_path / "again.png") as again:
        assert (again.size, again.mode) == ((52, 37), "RGB")


@pytest.mark.parametrize("coding", MODES)
def test_every_coding_decodes_to_the_same_picture(
    call: Call, tmp_path: Path, picture: Path, model: Path, coding: str
) -> None:
    codec = hvqcgic.load(model, device="cpu")
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
    summary = json.loads(result.out)
    assert [entry["name"] for entry in summary["pictures"]] == [path.name for path in good]
    assert summary["coding"] == "adaptive"
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
    codec = hvqcgic.load(model, device="cpu")
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
        assert result.out.count(f"  {coding} ") == 3
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
