"""The fuzzer: it makes the same inputs again, reaches what is behind checksums, and reports what is wrong."""

import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import fuzz as fuzzer
import pytest
from fuzz import KINDS, TooSlow, fuzz, is_right, try_one
from fuzz_kinds import Kind, Pictures, Shards, Streams
from fuzz_mutations import change_bytes, change_value
from fuzz_tensors import ReversedStreams, ReversePaths

from hvqcgic.errors import BitstreamError, Checksum

ROOT = Path(__file__).parents[2]


class Broken(Kind):
    """Raises what its input says."""

    name = "broken"

    def change(self, random: Random) -> bytes:
        return random.choice((b"taken", b"refused", b"wrong", b"long"))

    def read(self, data: bytes) -> None:
        if data == b"refused":
            raise BitstreamError("one line")
        if data == b"long":
            raise BitstreamError("two\nlines")
        if data == b"wrong":
            raise IndexError("an index")


def test_wrong_errors_are_saved_once_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = fuzz(Broken(tmp_path), seed=1, seconds=60, count=100, out=tmp_path / "out")
    assert found.taken > 0
    assert found.refused > 0
    assert sorted(place.split()[0] for place in found.wrong) == ["BitstreamError", "IndexError"]
    assert {path.read_bytes() for path in (tmp_path / "out").iterdir()} == {b"wrong", b"long"}
    assert "IndexError: an index" in capsys.readouterr().err


def test_an_interruption_keeps_the_counts(tmp_path: Path) -> None:
    class Interrupted(Broken):
        inputs = 0

        def change(self, random: Random) -> bytes:
            self.inputs += 1
            if self.inputs == 10:
                raise KeyboardInterrupt
            return b"taken"

    found = fuzz(Interrupted(tmp_path), seed=1, seconds=60, count=None, out=tmp_path / "out")
    assert (found.taken, found.interrupted) == (9, True)


def test_what_is_a_right_error() -> None:
    assert is_right(BitstreamError("one line"))
    for error in (BitstreamError(""), BitstreamError("a\nb"), ValueError("one line"), TooSlow("late")):
        assert not is_right(error)


class Slow(Kind):
    """Waits, or computes, for ever."""

    name = "slow"

    def change(self, random: Random) -> bytes:
        return b""

    def read(self, data: bytes) -> None:
        while True:
            time.sleep(0.01 if data else 0)


def test_what_computes_or_waits_too_long_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzer, "SECONDS_EACH", 1)
    assert str(try_one(Slow(tmp_path), b"")) == "more than 1 s"
    monkeypatch.setattr(fuzzer, "WAITING", 2)
    assert str(try_one(Slow(tmp_path), b"waits")) == "more than 2 s"


@pytest.mark.filterwarnings("ignore")  # as the tool does: readers warn of much that is damaged
@pytest.mark.parametrize("kind", [Streams, ReversedStreams, ReversePaths, Shards, Pictures])
def test_inputs_come_again_and_reach_what_is_behind_checksums(kind: type[Kind], tmp_path: Path) -> None:
    first, second = kind(tmp_path), kind(tmp_path)
    errors = []
    for number in range(40):
        data = first.change(Random(number))
        assert data == second.change(Random(number))
        errors.append(try_one(first, data))
    assert all(error is None or is_right(error) for error in errors)
    assert any(error is None for error in errors)
    assert sum(isinstance(error, Checksum) for error in errors) < 10
    assert len({str(error) for error in errors}) > 3


def test_changes_of_values_leave_the_original() -> None:
    value: dict[str, Any] = {"a": [1, 2, {"b": "c"}], "d": 1.5}
    changed = [change_value(Random(seed), value) for seed in range(200)]
    assert value == {"a": [1, 2, {"b": "c"}], "d": 1.5}
    assert len({repr(each) for each in changed}) > 50
    assert len({change_bytes(Random(seed), b"some bytes", [b"others"]) for seed in range(200)}) > 100


def test_the_command_counts(tmp_path: Path) -> None:
    command = [sys.executable, "tools/fuzz.py", "--count", "3", "--seconds", "300", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == list(KINDS)
    assert all(": 3 inputs, " in line and "0 places with wrong errors" in line for line in done.stdout.splitlines())
    assert not (tmp_path / "out").exists()
