"""`hvqcgic explore`: what it refuses, the address that it prints, the browser that it opens, and how it ends."""

import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from hvqcgic.explore.loopback import open_browser
from tests.command_calls import Call
from tests.explore.running import Client, Got
from tests.processes import Program, start_module
from tests.random_model import random_picture

SECONDS = 120


def address_of(program: Program) -> str:
    """What it prints once it answers."""
    end = time.monotonic() + SECONDS
    while "\n" not in program.printed()[0]:
        assert program.poll() is None, program.printed()
        assert time.monotonic() < end
        time.sleep(0.05)
    return program.printed()[0].splitlines()[0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("missing.png", "missing.png: cannot be read: there is no such file"),
        (". ", "is a folder, not a picture"),
        ("--model nope", "unknown model 'nope'"),
        ("--port 0", "'0' is not a whole number above 0"),
        ("--port 65536", "'65536' is no port; give a number from 1 to 65535"),
        ("--max-pixels x", "'x' is not a whole number above 0"),
        ("{picture} --max-pixels 1923", "52 x 37 pixels: at most 65536 a side and 1923 in all are taken"),
        ("{junk}", "not a picture that Pillow can read"),
        ("{other} --no-browser", "which is not offered here; start hvqcgic explore with its file: --model"),
    ],
)
def test_what_it_cannot_begin_with(call: Call, picture: Path, tmp_path: Path, words: str, told: str) -> None:
    (tmp_path / "junk.png").write_bytes(b"junk")
    other = Path(__file__).parents[1] / "golden" / "v1" / "decoder-prior" / "dot.adaptive.hvq"
    filled = words.format(picture=picture, junk=tmp_path / "junk.png", other=other).split()
    result = call("explore", *filled)
    assert result.code == 2
    assert told in result.complaint
    assert result.out == ""


def test_a_port_in_use_is_said_before_a_model_is_loaded(call: Call, picture: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = call("explore", picture, "--port", port, "--no-browser")
    assert (result.code, result.out) == (2, "")
    assert f"port {port} of 127.0.0.1 is in use; give another --port" in result.complaint


def test_a_missing_package_is_named(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = call("explore")
    assert result.code == 2
    assert "hvqcgic explore needs uvicorn, which is not installed: pip install " in result.complaint


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_it_ends_without_a_word_also_while_it_codes(
    tmp_path: Path, tiny_model_path: Path, sign: signal.Signals, code: int
) -> None:
    picture = tmp_path / "p.png"
    Image.fromarray(random_picture(1200, 1000, seed=1)).save(picture)
    before = set(tmp_path.iterdir())
    program = start_module(
        *("hvqcgic", "explore", picture, "--no-browser", "--model", tiny_model_path),
        environment={"TMPDIR": str(tmp_path)},
    )
    client = Client(address_of(program))
    page = client.new_page()
    told: list[Got] = []

    def code_all_fine() -> None:
        told.append(client.post(f"pages/{page}/code", {"model": str(tiny_model_path), "ratios": [1, 0, 0]}))

    waiting = threading.Thread(target=code_all_fine)
    waiting.start()
    time.sleep(0.5)
    program.send_signal(sign)
    assert program.wait() == code
    waiting.join()
    assert told[0].status in (200, 503)
    if told[0].status == 503:
        assert "the server has ended" in told[0].json["error"]
    out, err = program.printed()
    assert len(out.splitlines()) == 2
    assert err == ""
    assert set(tmp_path.iterdir()) == before


def test_the_browser_is_opened_at_the_address_or_missed_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, told = tmp_path / "seen", threading.Event()
    opener = tmp_path / "opener"
    opener.write_text(f'#!/bin/sh\nprintf %s "$1" > {seen}.part && mv {seen}.part {seen}\n')
    opener.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{opener} %s")
    monkeypatch.setattr("webbrowser._tryorder", None)
    open_browser("http://127.0.0.1:1/token/", lambda line: pytest.fail(line))
    end = time.monotonic() + SECONDS
    while not seen.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert seen.read_text() == "http://127.0.0.1:1/token/"

    lines: list[str] = []
    monkeypatch.setattr("webbrowser._tryorder", None)
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    open_browser("http://127.0.0.1:1/token/", lambda line: (lines.append(line), told.set())[0])
    assert told.wait(SECONDS)
    assert lines == ["no browser could be opened here; open the address above in one on this machine"]
