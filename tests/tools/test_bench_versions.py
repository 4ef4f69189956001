import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqcgic.errors import ConfigError
from tools.bench_codec import main
from tools.bench_versions import ROOT, StageCompared, VersionsCompared, _compared, _measured, checked_out, show_versions

NO_HISTORY = shutil.which("git") is None or not (ROOT / ".git").exists()
needs_history = pytest.mark.skipif(NO_HISTORY, reason="these files are no Git checkout")


@needs_history
def test_a_version_beside_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(picture)
    options = ["--against-version", "HEAD", "--rounds", "1", "--repeats", "1", "--threads", "1"]
    assert main([str(picture), *options]) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("HEAD, s", "this version, s", "features", "picture network", "64 x 48"))


def test_each_version_runs_its_own_code(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    told = {"arguments": ["picture.png"], "compress": {}, "decompress": {}}
    (tmp_path / "tools/bench_codec.py").write_text(f"import sys\nprint('first')\nprint({json.dumps(told)!r})\n")
    assert _measured(tmp_path, ["picture.png"]) == told
    (tmp_path / "tools/bench_codec.py").write_text("raise SystemExit('too old')\n")
    with pytest.raises(ConfigError, match="ended with code 1: too old"):
        _measured(tmp_path, ["picture.png"])


def test_without_git_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="--against-version HEAD: git cannot be run"), checked_out("HEAD"):
        pass


@needs_history
def test_the_files_are_those_of_the_revision() -> None:
    with checked_out("HEAD") as folder:
        of_head = subprocess.run(
            ["git", "-C", str(ROOT), "show", "HEAD:tools/bench_codec.py"], capture_output=True, check=True
        )
        assert (folder / "tools/bench_codec.py").read_bytes() == of_head.stdout
    assert not folder.exists()


def test_ratios_are_those_of_neighbouring_turns(capsys: pytest.CaptureFixture[str]) -> None:
    # The machine became twice as slow between the rounds, and this version is always twice as fast.
    whole = _compared("compress", "whole", [(2.0, 1.0), (4.0, 2.0), (8.0, 4.0)])
    assert (whole.older, whole.newer, whole.ratio) == (4.0, 2.0, 2.0)
    assert (whole.lowest, whole.highest) == (2.0, 2.0)
    gone = _compared("decompress", "copies", [(1.0, 0.0)])
    assert gone == StageCompared("decompress", "copies", 1.0, 0.0, None, None, None)
    show_versions(VersionsCompared("v1", "tiny", 3, (10, 11), (whole, gone)))
    assert "2.00 (2.00 to 2.00)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--against-version", "no-such-tag"], "--against-version no-such-tag: "),
        (["--against-version", "HEAD", "--rounds", "0"], "--rounds 0: at least 1"),
    ],
)
def test_what_cannot_be_measured_is_one_line(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(options) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"bench_codec: {said}")
    assert told.count("\n") == 1
