import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hvqcgic.errors import BadMagic, BitstreamError, OutputError, OutputExists, PictureError, Truncated
from hvqcgic.files.reading import check_readable_picture, read_stream
from hvqcgic.files.writing import check_output, write_atomically
from tests.command_calls import touch


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_written_whole_with_folders_and_usual_permissions(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/x.hvq"
    write_atomically(path, b"content")
    assert path.read_bytes() == b"content"
    assert names(path.parent) == ["x.hvq"]
    reference = tmp_path / "reference"
    touch(reference)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(reference.stat().st_mode)


def test_nothing_is_overwritten_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "x.hvq"
    touch(path)
    with pytest.raises(OutputExists, match="--force"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"x"
    write_atomically(path, b"new", force=True)
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["x.hvq"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "x.hvq"
    touch(path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"x\.hvq: cannot be written \(3 bytes\): (no space|the disk)"):
        write_atomically(path, b"new", force=True)
    assert path.read_bytes() == b"x"
    assert names(tmp_path) == ["x.hvq"]


WRITE_IN_ANOTHER_PROCESS = """
import os, resource, signal, sys
from pathlib import Path
from hvqcgic.errors import OutputError
from hvqcgic.files import write_atomically

if sys.argv[2] == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
else:
    os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
try:
    write_atomically(Path(sys.argv[1]), bytes(5000))
except OutputError as error:
    sys.exit(str(error))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs limits and signals of POSIX")
@pytest.mark.parametrize("end", ["limit", "kill"])
def test_a_write_that_breaks_off_leaves_no_half_file(tmp_path: Path, end: str) -> None:
    command = [sys.executable, "-c", WRITE_IN_ANOTHER_PROCESS, str(tmp_path / "x.hvq"), end]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == {"limit": 1, "kill": -9}[end]
    assert not (tmp_path / "x.hvq").exists()
    if end == "limit":
        assert "larger than the system allows" in run.stderr
    if end == "limit" or hasattr(os, "O_TMPFILE"):
        assert names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="no unnamed files on this system")
def test_a_new_file_has_no_other_name_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        os.close(os.open(tmp_path, os.O_TMPFILE | os.O_WRONLY))
    except OSError:
        pytest.skip("no unnamed files on this file system")

    def unexpected(*arguments: object) -> None:
        raise AssertionError("renamed")

    monkeypatch.setattr(os, "replace", unexpected)
    write_atomically(tmp_path / "x.hvq", b"whole")
    assert (tmp_path / "x.hvq").read_bytes() == b"whole"
    with pytest.raises(OutputExists, match="--force"):
        write_atomically(tmp_path / "x.hvq", b"again")
    assert names(tmp_path) == ["x.hvq"]


def test_a_file_system_without_unnamed_files_is_written_to_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "O_TMPFILE", os.O_CREAT | os.O_EXCL, raising=False)
    write_atomically(tmp_path / "x.hvq", b"whole")
    with pytest.raises(OutputExists, match="--force"):
        write_atomically(tmp_path / "x.hvq", b"again")
    assert (tmp_path / "x.hvq").read_bytes() == b"whole"
    assert names(tmp_path) == ["x.hvq"]


def test_an_input_is_never_its_own_output(tmp_path: Path) -> None:
    touch(tmp_path / "x.png")
    with pytest.raises(OutputExists, match="the input itself"):
        check_output(tmp_path / "x.png", tmp_path / "x.png", force=True)
    (tmp_path / "y.hvq").mkdir()
    with pytest.raises(OutputExists, match="is a folder"):
        check_output(tmp_path / "x.png", tmp_path / "y.hvq", force=True)
    check_output(tmp_path / "x.png", tmp_path / "new.hvq", force=False)


def test_reading_a_stream_names_the_path(tmp_path: Path) -> None:
    path = tmp_path / "x.hvq"
    for content, error in ((b"", Truncated), (b"GIF89a", BadMagic)):
        path.write_bytes(content)
        with pytest.raises(error, match=r"x\.hvq: "):
            read_stream(path)
    path.write_bytes(b"HVQ\x01 and the rest")
    assert read_stream(path) == b"HVQ\x01 and the rest"
    with pytest.raises(BitstreamError, match="no such file"):
        read_stream(tmp_path / "missing.hvq")
    with pytest.raises(BitstreamError, match="folder"):
        read_stream(tmp_path)


def test_what_cannot_hold_a_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    for path, message in (
        (tmp_path / "empty.png", "0 bytes"),
        (tmp_path / "missing.png", "no such file"),
        (tmp_path, "is a folder"),
        (Path(os.devnull), "not a regular file"),
        (tmp_path / ("x" * 300), "too long"),
    ):
        with pytest.raises(PictureError, match=message):
            check_readable_picture(path)
