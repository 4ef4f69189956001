"""Names that no file can have, that are not UTF-8, or that two results would share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.command_calls import Call, save_picture

LONG = "x" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ["info", LONG],
        ["info", f"{LONG}/x.hvq"],
        ["compress", f"{LONG}.png", "-o", "out"],
        ["compress", "in/x.png", "-o", LONG],
        ["compress", "in/x.png", "-o", f"{LONG}.hvq"],
        ["compress", "in/x.png", "-o", f"{LONG}/x.hvq"],
        ["compress", "in/x.png", "-o", "out", "--model", LONG],
        ["compress", "in/x.png", "-o", "out", "--roi", f"{LONG}.png"],
        ["compare", f"{LONG}.png"],
        ["decompress", f"{LONG}.hvq", "-o", "out"],
        ["decompress", f"{LONG}.hvq", "-o", f"{LONG}.png"],
        ["decompress", f"{LONG}.hvq", "-o", f"{LONG}.png", "--skip-existing"],
    ],
)
def test_a_name_that_is_too_long_is_one_line(
    call: Call, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    result = call(*arguments)
    assert result.code == 2
    assert LONG in result.complaint
    assert sorted(tmp_path.rglob("*")) == before


def test_the_rest_of_a_batch_goes_on(call: Call, picture: Path, tmp_path: Path, tiny_model_path: Path) -> None:
    # Fits as a picture, not with the longer suffix of its result.
    long = picture.with_name("y" * 251 + ".png")
    long.write_bytes(picture.read_bytes())
    result = call(
        *("compress", long, picture, f"{LONG}.png", "-o", tmp_path / "out", "--full-names", "--model", tiny_model_path)
    )
    assert result.code == 1
    assert len([line for line in result.err.splitlines() if "too long" in line]) == 2
    assert [path.name for path in (tmp_path / "out").rglob("*.hvq")] == ["x.png.hvq"]


def test_full_names_keep_equal_stems_apart(call: Call, tmp_path: Path, tiny_model_path: Path) -> None:
    pictures = [save_picture(tmp_path / name, seed=1) for name in ("a/x.png", "a/x.bmp", "b/x.png")]
    options = ["-o", tmp_path / "out", "--model", tiny_model_path]
    result = call("compress", *pictures, *options)
    assert result.code == 2
    assert "--full-names keeps their suffixes and folders apart" in result.complaint
    assert call("compress", *pictures, *options, "--full-names").code == 0
    found = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.hvq"))
    assert found == ["a/x.bmp.hvq", "a/x.png.hvq", "b/x.png.hvq"]
    back = ["decompress", tmp_path / "out/a", "-o", tmp_path / "back", "--model", tiny_model_path]
    assert call(*back, "--format", "webp").code == 0
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == ["x.bmp.webp", "x.png.webp"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "x.png", "--format", "jpg"], "x.png: --format jpg contradicts its name"),
        (["-o", "x.png", "--quality", "50"], "--quality 50 is for jpg, "),
        (["-o", "x.jpg", "--quality", "0"], "'0' is not a whole number from 1 to 100"),
        (["-o", "out", "--format", "gif"], "gif"),
    ],
)
def test_formats_that_do_not_fit(call: Call, options: list[str], message: str) -> None:
    result = call("decompress", "x.hvq", *options)
    assert result.code == 2
    assert message in result.complaint


def test_a_lower_quality_is_a_smaller_file(call: Call, picture: Path, tmp_path: Path, tiny_model_path: Path) -> None:
    model = ["--model", tiny_model_path]
    assert call("compress", picture, "-o", tmp_path / "x.hvq", *model).code == 0
    for suffix in ("jpg", "webp", "avif"):
        sizes = []
        for quality in (5, 90):
            path = tmp_path / f"{quality}.{suffix}"
            assert call("decompress", tmp_path / "x.hvq", "-o", path, "--quality", quality, *model).code == 0
            sizes.append(path.stat().st_size)
        assert sizes[0] < sizes[1]


def test_a_result_larger_than_its_source_is_named(call: Call, tmp_path: Path, tiny_model_path: Path) -> None:
    Image.new("RGB", (160, 160), (90, 120, 60)).save(tmp_path / "x.png")
    options = ["--model", tiny_model_path, "--ratios", "1,0,0", "--coding", "fixed-length"]
    result = call("compress", tmp_path / "x.png", "-o", tmp_path / "x.hvq", *options)
    size, source = (tmp_path / "x.hvq").stat().st_size, (tmp_path / "x.png").stat().st_size
    assert result.code == 0
    assert f"x.png: the result has {size} bytes, more than the picture's {source}" in result.complaint


@pytest.mark.skipif(sys.platform != "linux", reason="names of bytes that are no UTF-8")
def test_a_name_that_is_not_utf_8(tmp_path: Path, picture: Path, tiny_model_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff.png"
    with open(name, "wb") as file:
        file.write(picture.read_bytes())
    command = [sys.executable, "-m", "hvqcgic", "compress", name, "-o", str(tmp_path / "out"), "--model"]
    run = subprocess.run([*command, str(tiny_model_path)], capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
    assert os.listdir(os.fsencode(tmp_path / "out")) == [b"\xff.hvq"]


def test_names_with_line_breaks_and_control_characters_stay_one_line(
    call: Call, tmp_path: Path, tiny_model_path: Path
) -> None:
    folder = tmp_path / "in"
    save_picture(folder / "a\nb\x1b[31m.png", seed=1)
    (folder / "c\x1b[2J.png").write_bytes(b"")
    arguments = ("compress", folder, "-o", tmp_path / "out", "--model", tiny_model_path)
    for words in ([], ["--skip-existing"]):
        result = call(*arguments, *words)
        assert result.code == 1
        assert result.out.count("\n") == 1
        assert r"a\nb\x1b[31m.png -> " in result.out
        assert r"c\x1b[2J.png: the file is empty" in result.complaint
    assert "\x1b" not in result.out + result.err
    for words in (["info", tmp_path / "out/a\nb\x1b[31m.hvq"], ["compare", folder / "a\nb\x1b[31m.png"]):
        shown = call(*words, *(["--model", tiny_model_path] if words[0] == "compare" else []))
        assert shown.out.startswith(r"a\nb\x1b[31m.")
        assert "\x1b" not in shown.out


@pytest.mark.parametrize("words", [["compress", "", "-o", "x"], ["compress", "x.png", "-o", ""], ["info", ""]])
def test_an_empty_name_is_not_the_working_folder(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save_picture(tmp_path / "x.png", seed=1)
    result = call(*words)
    assert result.code == 2
    assert "'' names nothing, perhaps an empty variable" in result.complaint
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.skipif(os.name != "posix", reason="folders in use cannot be removed, and there is no /dev/full")
@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ('mkdir gone && cd gone && rmdir ../gone && "$@" compress x.png -o y', "the working folder was removed"),
        ('"$@" compress missing.png -o y 2> /dev/full', ""),
    ],
)
def test_a_removed_working_folder_and_a_full_standard_error(tmp_path: Path, shell: str, said: str) -> None:
    root = Path(__file__).parents[2]
    command = ["sh", "-c", shell, "sh", sys.executable, "-m", "hvqcgic"]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert (said in done.stderr, done.stderr.count("\n")) == (True, 1 if said else 0)
