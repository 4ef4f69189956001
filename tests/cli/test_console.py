"""The commands without a model, in this process except where the process itself is what is tested."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import hvqcgic
from hvqcgic.bitstream import Header, pack
from hvqcgic.cli import info
from hvqcgic.cli.terminal import progress_bar
from hvqcgic.model_files import registry as model_file
from tests.command_calls import Call, Result, bad_pictures, save_picture

STREAM = pack(Header(bytes(8), "adaptive", 64, 48, 6, 10), [b"indices"])


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
        (["compress", "x.png", "-o", "out", "--bpp", "much"], "invalid float value: 'much'"),
        (["compress", "x.png", "-o", "out", "--bpp"], "--bpp"),
        (["compress", "x.png", "-o", "out", "--max-bytes", "12k"], "'12k' is not a number of bytes, such as 12000"),
        (["compress", "x.png", "-o", "out", "--max-bytes", "nan"], "'nan' is not a number of bytes"),
        (["compress", "x.png", "-o", "out", "--max-bytes", "1e999"], "'1e999' is not a number of bytes"),
        (["compress", "x.png", "-o", "out", "--budget", "1.2.3"], "'1.2.3' is not a number of bytes"),
        (["compress", "x.png", "-o", "out", "--budget", ""], "'' is not a number of bytes"),
        (["compress", "x.png", "-o", "out", "--budget", "1MB", "--budget-by", "taste"], "mse"),
        (["compress", "x.png", "-o", "out", "--eta", "some"], "'some' is not a number, or auto"),
        (["compress", "x.png", "-o", "out", "--granularity", "random"], "entropy"),
        (["compress", "x.png", "-o", "out", "--clamp", "1"], "1"),
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
    for words in ("tiny: ", "codebook of 1024", "a1" * 8, "photographs\n", "dead leaves\n", "joint 100"):
        assert words in result.out
    (tmp_path / "worse.safetensors").write_bytes(b"junk")
    result = call("models", "--json")
    assert result.code == 1
    assert "worse.safetensors" in result.complaint
    assert [entry["card"] for entry in json.loads(result.out)["models"]] == [card]


def test_models_says_which_have_a_reverse_path(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_file, "WEIGHTS_FOLDER", tmp_path)

    def write(name: str, fingerprint: str, **more: str) -> None:
        metadata = {"config": "{}", "card": "{}", "fingerprint": fingerprint, **more}
        header = json.dumps({"__metadata__": metadata}).encode()
        (tmp_path / f"{name}.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)

    for name, fingerprint in (("far", "a1" * 8), ("near", "b2" * 8), ("other", "c3" * 8)):
        write(name, fingerprint)
    write("near-reverse", "d4" * 8, model="b2" * 8)
    titles = ["no path", "path of 0.0 MB, for decompress --steps", "no path"]
    lines = call("models").out.splitlines()
    assert [line.removeprefix("  reverse").strip() for line in lines if line.startswith("  ")] == titles
    write("other-reverse", "e5" * 8, model="b2" * 8)
    result = call("models", "--json")
    assert result.code == 1
    assert f"other-reverse.safetensors: belongs to the model of fingerprint {'b2' * 8}" in result.complaint
    found = {entry["name"]: entry["reverse"] for entry in json.loads(result.out)["models"]}
    near = {"path": str(tmp_path / "near-reverse.safetensors"), "fingerprint": "d4" * 8}
    assert found == {"far": None, "near": near, "other": None}


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
