"""Standard input and output, pipes and devices, as real ones of other processes where the process matters."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqcgic.bitstream import Header, pack
from hvqcgic.cli.console import main
from hvqcgic.codec.codec import Codec
from hvqcgic.errors import BitstreamError, ConfigError, PictureError
from hvqcgic.files import streams
from hvqcgic.files.inputs import find_inputs, plan_outputs
from hvqcgic.files.reading import read_stream
from tests.command_calls import Call, save_picture

HVQCGIC = [sys.executable, "-m", "hvqcgic"]
Piped = Callable[..., tuple[int, bytes, str]]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes and /dev of POSIX")


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Piped:
    """Calls a command with bytes on standard input; its exit code, bytes on stdout and text on stderr come back."""

    def call(given: bytes, *arguments: object) -> tuple[int, bytes, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        capsysbinary.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsysbinary.readouterr()
        return code, captured.out, captured.err.decode()

    return call


def test_a_picture_goes_through_two_pipes(tiny_model_path: Path, picture: Path, tmp_path: Path, codec: Codec) -> None:
    model = ["--model", str(tiny_model_path)]
    script = " | ".join(
        [
            f"cat {picture}",
            f"{sys.executable} -m hvqcgic compress - -o - {' '.join(model)} --json",
            f"tee {tmp_path / 'x.hvq'}",
            f"{sys.executable} -m hvqcgic decompress - -o - {' '.join(model)}",
        ]
    )
    run = subprocess.run(["bash", "-o", "pipefail", "-c", script], capture_output=True, check=False)
    assert run.returncode == 0
    expected = codec.decompress((tmp_path / "x.hvq").read_bytes())
    with Image.open(io.BytesIO(run.stdout)) as image:
        assert image.format == "PNG"
        assert np.array_equal(np.asarray(image), np.asarray(expected))
    lines = run.stderr.decode().splitlines()
    facts = json.loads(lines[0])
    assert (facts["input"], facts["output"]) == ("-", "-")
    assert lines[1].startswith("standard input -> standard output: 52 x 37 pixels")


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_only_the_result_is_on_standard_output(
    piped: Piped, codec: Codec, tiny_model_path: Path, picture: Path, name: str
) -> None:
    code, out, err = piped(b"", "compress", picture, "-o", name, "--model", tiny_model_path)
    assert code == 0
    assert out == codec.compress(picture)
    assert err.startswith(f"{picture} -> standard output: {len(out)} bytes")


def test_every_command_reads_standard_input(
    piped: Piped, codec: Codec, tiny_model_path: Path, picture: Path, tmp_path: Path
) -> None:
    model = ["--model", tiny_model_path]
    data = codec.compress(picture)
    assert piped(picture.read_bytes(), "compress", "-", "-o", tmp_path / "x.hvq", *model)[0] == 0
    assert (tmp_path / "x.hvq").read_bytes() == data
    code, out, _ = piped(data, "info", "-", "--json")
    assert code == 0
    assert json.loads(out)["name"] == "standard input"
    code, out, _ = piped(picture.read_bytes(), "compare", "-", *model)
    assert code == 0
    assert out.startswith(b"standard input: 52 x 37 pixels\n")
    assert piped(data, "decompress", "-", "-o", tmp_path / "x.bmp", *model)[0] == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "x.bmp")), np.asarray(codec.decompress(data)))


@pytest.mark.parametrize(
    ("arguments", "given", "message"),
    [
        (["compress", "-", "-o", "out/"], b"", "standard input has no name for its result in out/"),
        (["decompress", "-", "-o", "out"], b"", "standard input has no name for its result in out"),
        (["compress", "a.png", "b.png", "-o", "-"], b"", "-: takes one result, several results need a folder"),
        (["compress", "-", "-o", "x.hvq"], b"", "standard input: is empty: 0 bytes"),
        (["compress", "-", "-o", "x.hvq"], b"no picture", "standard input: not a picture that Pillow can read"),
        (["compare", "-"], b"no picture", "standard input: not a picture that Pillow can read"),
        (["info", "-"], b"no stream", "standard input: not a .hvq stream"),
        (["info", "-"], b"", "standard input: the file is empty"),
        (["decompress", "-", "-o", "x.png"], b"HVQ", "standard input: the stream has 3 bytes"),
        (["compress", "-", "-o", "x.hvq", "--budget", "1kB"], b"", "--budget reads each picture twice, which standard"),
        (["compress", "-", "-o", "x.hvq", "--skip-existing"], b"", "--skip-existing compares a result"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    piped: Piped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], given: bytes, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = piped(given, *arguments)
    assert code == 2
    assert err.startswith(f"hvqcgic: {message}")
    assert len(err.splitlines()) == 1
    assert out == b""
    assert list(tmp_path.iterdir()) == []


def feed(path: Path, data: bytes) -> threading.Thread:
    thread = threading.Thread(target=path.write_bytes, args=(data,))
    thread.start()
    return thread


def test_named_pipes_are_inputs_and_outputs(
    call: Call, codec: Codec, tiny_model_path: Path, picture: Path, tmp_path: Path
) -> None:
    pipe, data = tmp_path / "pipe", codec.compress(picture)
    os.mkfifo(pipe)
    model = ["--model", tiny_model_path]
    writer = feed(pipe, data)
    assert "52 x 37 pixels" in call("info", pipe).out
    writer.join()
    writer = feed(pipe, picture.read_bytes())
    assert call("compress", pipe, "-o", tmp_path / "x.hvq", *model).code == 0
    writer.join()
    assert (tmp_path / "x.hvq").read_bytes() == data
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    assert call("compress", picture, "-o", pipe, *model).code == 0
    reader.join()
    assert read == [data]
    assert pipe.is_fifo()


def test_python_reads_pipes(codec: Codec, picture: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = feed(pipe, picture.read_bytes())
    assert codec.compress(pipe) == codec.compress(picture)
    writer.join()


def test_what_a_pipe_gives_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, codec: Codec) -> None:
    monkeypatch.setattr(streams, "MAX_PIPED_PICTURE_BYTES", 5000)
    with pytest.raises(PictureError, match=r"/dev/zero: more than 5000 bytes"):
        codec.compress("/dev/zero")
    with pytest.raises(BitstreamError, match=r"/dev/zero: not a \.hvq stream"):
        read_stream(Path("/dev/zero"))
    sparse = tmp_path / "sparse.hvq"
    with sparse.open("wb") as file:
        file.write(b"HVQ\x01")
        file.truncate(20_000_000_000)
    with pytest.raises(BitstreamError, match=r"sparse\.hvq: 20000000000 bytes: a \.hvq file has at most 268435456"):
        read_stream(sparse)


def test_a_file_named_like_standard_input_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_inputs(["./-"], (".png",), "pictures").paths == (tmp_path / "-",)
    inputs = find_inputs(["-"], (".png",), "pictures")
    assert inputs.paths == (streams.STANDARD,)
    assert plan_outputs(inputs, "-", (".hvq",)) == {streams.STANDARD: streams.STANDARD}
    with pytest.raises(ConfigError):
        plan_outputs(inputs, "./-/", (".hvq",))


def shell(command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    found = command.replace("hvqcgic", " ".join(HVQCGIC))
    return subprocess.run(
        ["bash", "-c", found], capture_output=True, text=True, check=False, env={**os.environ, **settings}
    )


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    """A `.hvq` file that `info` can read."""
    path = tmp_path / "x.hvq"
    path.write_bytes(pack(Header(bytes(8), "adaptive", 64, 48, 6, 10), [b"indices"]))
    return path


def test_a_closed_output_is_one_line(stream: Path) -> None:
    run = shell(f"hvqcgic info {stream} >&-")
    assert (run.returncode, run.stderr) == (
        2,
        "hvqcgic: the standard output is closed; redirect it, for example to /dev/null\n",
    )
    run = shell(f"hvqcgic info {stream} 2>&-")
    assert (run.returncode, run.stderr) == (0, "")
    assert shell(f"hvqcgic info {stream}.missing 2>&-").returncode == 2
    run = shell("hvqcgic info - <&-")
    assert (run.returncode, run.stderr) == (2, "hvqcgic: standard input: cannot be read: it is closed\n")


def test_a_reader_that_is_gone_ends_the_command_quietly(tiny_model_path: Path, tmp_path: Path) -> None:
    picture = save_picture(tmp_path / "picture.png", seed=1, size=(600, 600))
    coded, model = tmp_path / "x.hvq", f"--model {tiny_model_path}"
    run = shell(
        f"hvqcgic compress {picture} -o {coded} {model} > /dev/null; set -o pipefail; "
        f"hvqcgic decompress {coded} -o - --format bmp {model} | head -c 0"
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_output_is_one_line(tiny_model_path: Path, picture: Path) -> None:
    run = shell(f"hvqcgic compress {picture} -o - --model {tiny_model_path} > /dev/full")
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1
    assert "standard output cannot be written" in run.stderr


def test_little_memory_is_one_line(stream: Path) -> None:
    sparse = stream.with_name("sparse.hvq")
    with sparse.open("wb") as file:
        file.write(stream.read_bytes())
        file.truncate(20_000_000_000)
    run = shell(f"ulimit -v 2000000; hvqcgic info {sparse}")
    assert run.returncode == 2
    assert "20000000000 bytes: a .hvq file has at most" in run.stderr
    with sparse.open("wb") as file:
        file.write(stream.read_bytes())
        file.truncate(streams.MAX_STREAM_BYTES)
    run = shell(f"ulimit -v 400000; hvqcgic info {sparse}")
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1
