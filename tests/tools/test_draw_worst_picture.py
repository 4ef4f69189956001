"""The drawing of a model's worst picture."""

from pathlib import Path

import draw_worst_picture as tool
import numpy as np
import pytest
from PIL import Image

from hvqcgic.codec.codec import load
from hvqcgic.errors import ConfigError
from tests.random_model import random_picture


def test_the_window_is_where_the_error_is() -> None:
    original = np.full((100, 140, 3), 90, np.uint8)
    decoded = original.copy()
    decoded[60:75, 100:112] += 40
    top, left = tool.worst_window(original, decoded, 40)
    assert top <= 60
    assert top + 40 >= 75
    assert left <= 100
    assert left + 40 >= 112


def test_a_small_picture_is_drawn_whole() -> None:
    pixels = random_picture(50, 30, seed=0)
    found = tool.Decoded("x", pixels, (pixels[::-1].copy(), pixels), 0.5, 0.4, 20.0)
    sheet = np.asarray(tool.draw(found, 64))
    assert sheet.shape == (30, 3 * 50 + 2 * tool.GAP_PX, 3)
    assert np.array_equal(sheet[:, :50], pixels)
    assert np.array_equal(sheet[:, 50 + tool.GAP_PX : 100 + tool.GAP_PX], pixels[::-1])
    assert np.array_equal(sheet[:, -50:], pixels)


def test_the_worst_of_two_is_drawn(tmp_path: Path, tiny_model_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat, rough = np.full((64, 96, 3), 127, np.uint8), random_picture(96, 64, seed=1)
    for name, pixels in (("flat", flat), ("rough", rough)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    output = tmp_path / "worst.png"
    code = tool.main([str(tiny_model_path), str(tmp_path), "--bpp", "0.4", "--side", "48", "-o", str(output)])
    said = capsys.readouterr()
    if "LPIPS" in said.err:
        pytest.skip(said.err)
    assert code == 0
    lines = said.out.splitlines()
    values = [float(line.split("LPIPS ")[1].split(",")[0]) for line in lines]
    assert len(lines) == 2
    assert values == sorted(values, reverse=True)
    with Image.open(output) as sheet:
        assert sheet.size == (48 + tool.GAP_PX + 48, 48)


def test_refined_files_stand_beside_plain_ones(tmp_path: Path, tiny_model_path: Path) -> None:
    codec = load(tiny_model_path, device="cpu")
    Image.fromarray(random_picture(34, 30, seed=1)).save(tmp_path / "small.png")
    found = tool.decode(codec, tmp_path / "small.png", 0.4, [Flat(), Flat()], refine=(0, 4))  # pyright: ignore[reportArgumentType]
    plain, refined = (
        np.asarray(codec.decompress(codec.compress(found.original, bpp=0.4, clamp=True, refine=steps)))
        for steps in (0, 4)
    )
    assert np.array_equal(found.decoded[0], plain)
    assert np.array_equal(found.decoded[1], refined)
    assert not np.array_equal(plain, refined)


class Flat:
    """A metric of small pictures."""

    def measure(self, original: object, decoded: object) -> float:
        """No picture is worse than another."""
        return 0.5


def test_a_missing_model_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["missing.safetensors", "-o", str(tmp_path / "x.png")]) == 2
    assert capsys.readouterr().err.startswith("draw_worst_picture: unknown model 'missing.safetensors'")


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no pictures in this folder"):
        tool.pictures([str(tmp_path)])
