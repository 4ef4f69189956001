"""The options that say which codec to use: what is wrong with them is said once, before any work."""

from pathlib import Path

import pytest

from tests.command_calls import Call, save_picture


def test_tiles_give_the_same_file(call: Call, tmp_path: Path, tiny_model_path: Path) -> None:
    picture = save_picture(tmp_path / "x.png", seed=1, size=(250, 180))
    for name, tile in (("whole", "auto"), ("tiled", "160")):
        output = tmp_path / f"{name}.hvq"
        assert call("compress", picture, "-o", output, "--model", tiny_model_path, "--tile", tile).code == 0
        assert call("decompress", output, "-o", tmp_path / f"{name}.png", "--model", tiny_model_path).code == 0
    assert (tmp_path / "whole.hvq").read_bytes() == (tmp_path / "tiled.hvq").read_bytes()
    assert call("compare", picture, "--model", tiny_model_path, "--tile", "160").code == 0


@pytest.mark.parametrize("tile", ["0", "-16", "big", "12.5", ""])
def test_a_tile_that_is_no_size_is_one_line(call: Call, picture: Path, tmp_path: Path, tile: str) -> None:
    result = call("compress", picture, "-o", tmp_path / "out", f"--tile={tile}")
    assert result.code == 2
    assert f"{tile!r} is not auto or a whole number of pixels, such as 1024" in result.err
    assert not (tmp_path / "out").exists()


def test_a_tile_too_small_is_one_line(call: Call, picture: Path, tmp_path: Path, tiny_model_path: Path) -> None:
    save_picture(picture.parent / "y.png", seed=2)
    result = call("compress", picture.parent, "-o", tmp_path / "out", "--model", tiny_model_path, "--tile", "48")
    assert result.code == 2
    assert result.complaint.startswith("hvqcgic: tile 48 is smaller than the margin that the networks of random read")
    assert not (tmp_path / "out").exists()
