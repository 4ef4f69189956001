import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hvqcgic.errors import BadMagic, BitstreamError, ConfigError, OutputError, OutputExists, PictureError, Truncated
from hvqcgic.files import (
    LOSSLESS_SUFFIXES,
    PICTURE_SUFFIXES,
    check_output,
    check_readable_picture,
    find_inputs,
    plan_outputs,
    read_stream,
    write_atomically,
)


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_stands_for_the_pictures_in_it(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("b.PNG", "a.jpg", "notes.txt", "._a.jpg", "sub/c.png", "d.png/e.txt")))
    inputs = find_inputs([tmp_path], PICTURE_SUFFIXES, "pictures")
    assert inputs.paths == (tmp_path / "a.jpg", tmp_path / "b.PNG")
    assert inputs.many
    assert inputs.problems == ()


def test_a_file_named_itself_may_be_called_anything_and_comes_once(tmp_path: Path) -> None:
    touch(tmp_path / "scan.0001", tmp_path / "a.png")
    named = [tmp_path / "scan.0001", tmp_path / "a.png", tmp_path, tmp_path / "missing"]
    inputs = find_inputs(named, PICTURE_SUFFIXES, "pictures")
    assert inputs.paths == (tmp_path / "scan.0001", tmp_path / "a.png", tmp_path / "missing")


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    inputs = find_inputs([tmp_path], PICTURE_SUFFIXES, "pictures")
    assert inputs.paths == ()
    assert len(inputs.problems) == 1
    assert str(tmp_path) in inputs.problems[0]


@pytest.mark.parametrize(
    ("output", "expected"),
    [("out", "out/x.hvq"), ("out.d/", "out.d/x.hvq"), ("there", "there/x.hvq"), ("y.hvq", "y.hvq"), ("Y.HVQ", "Y.HVQ")],
)
def test_output_of_one_picture(tmp_path: Path, output: str, expected: str) -> None:
    (tmp_path / "there").mkdir()
    inputs = find_inputs([tmp_path / "x.png"], PICTURE_SUFFIXES, "pictures")
    assert plan_outputs(inputs, f"{tmp_path}/{output}", (".hvq",)) == {tmp_path / "x.png": tmp_path / expected}


def test_output_of_several_pictures_is_a_folder(tmp_path: Path) -> None:
    inputs = find_inputs([tmp_path / "x.png", tmp_path / "y.tar.png"], PICTURE_SUFFIXES, "pictures")
    plan = plan_outputs(inputs, tmp_path / "v1.0", (".hvq",))
    assert [path.name for path in plan.values()] == ["x.hvq", "y.tar.hvq"]
    with pytest.raises(ConfigError, match="folder"):
        plan_outputs(inputs, tmp_path / "all.hvq", (".hvq",))
    touch(tmp_path / "file")
    with pytest.raises(ConfigError, match="folder"):
        plan_outputs(inputs, tmp_path / "file", (".hvq",))


def test_two_inputs_for_one_output_are_both_named(tmp_path: Path) -> None:
    inputs = find_inputs([tmp_path / "a/x.png", tmp_path / "b/x.jpg"], PICTURE_SUFFIXES, "pictures")
    with pytest.raises(ConfigError, match=r"a/x\.png and .*b/x\.jpg"):
        plan_outputs(inputs, tmp_path / "out", (".hvq",))


def test_an_output_of_another_kind_is_refused(tmp_path: Path) -> None:
    inputs = find_inputs([tmp_path / "x.hvq"], (".hvq",), "streams")
    with pytest.raises(ConfigError, match=r"out\.jpg: a result ends in \.png"):
        plan_outputs(inputs, tmp_path / "out.jpg", LOSSLESS_SUFFIXES)


def test_a_folder_below_a_file_is_refused_before_any_work(tmp_path: Path) -> None:
    touch(tmp_path / "file")
    inputs = find_inputs([tmp_path / "x.png"], PICTURE_SUFFIXES, "pictures")
    with pytest.raises(OutputError, match="is a file"):
        plan_outputs(inputs, tmp_path / "file/out", (".hvq",))


def test_a_folder_without_permission_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Patched, because the tests may run as a user to whom everything is permitted.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    inputs = find_inputs([tmp_path / "x.png"], PICTURE_SUFFIXES, "pictures")
    with pytest.raises(OutputError, match="no permission"):
        plan_outputs(inputs, tmp_path / "out", (".hvq",))


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
