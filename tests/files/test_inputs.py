import os
from pathlib import Path

import pytest

from hvqcgic.errors import ConfigError, OutputError
from hvqcgic.files.inputs import LOSSLESS_SUFFIXES, PICTURE_SUFFIXES, all_pictures, find_inputs, plan_outputs
from tests.command_calls import touch


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


def test_all_pictures_must_be_there(tmp_path: Path) -> None:
    picture = tmp_path / "a" / "x.png"
    touch(picture)
    assert all_pictures([tmp_path / "a"]) == (picture,)
    (tmp_path / "b").mkdir()
    with pytest.raises(ConfigError, match=r"b: no pictures in this folder"):
        all_pictures([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(ConfigError, match="name pictures, or folders of pictures"):
        all_pictures([])
