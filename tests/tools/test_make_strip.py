"""The strip of the README: the others have no fewer bytes than the model, and every panel says how many it has."""

from pathlib import Path

import make_strip as tool
import numpy as np
import pytest
from PIL import Image

from hvqcgic.errors import ConfigError
from tests.random_model import random_picture


def test_the_others_have_as_many_bytes_or_more() -> None:
    picture = random_picture(64, 48, seed=0)
    for name in ("jpeg", "avif"):
        size = int(tool.at_least(name, picture, 900).label.split()[1].replace(",", ""))
        assert 900 <= size < 1400
    with pytest.raises(ConfigError, match="use a lower --bpp"):
        tool.at_least("jpeg", picture, 10**6)


def test_a_strip_shows_the_window_of_each_panel(tmp_path: Path, tiny_model_path: Path) -> None:
    pixels = random_picture(96, 80, seed=1)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    words = [str(tmp_path / "in.png"), "--model", str(tiny_model_path), "--bpp", "0.4", "--window", "8,4,40,32"]
    assert tool.main([*words, "-o", str(tmp_path / "strip.png")]) == 0
    sheet = np.asarray(Image.open(tmp_path / "strip.png"))
    assert sheet.shape == (32 + tool.LABEL_PX, 4 * 40 + 3 * tool.GAP_PX, 3)
    assert np.array_equal(sheet[:32, :40], pixels[4:36, 8:48])


def test_the_strip_of_the_readme_is_small_and_described() -> None:
    root = Path(__file__).parents[2]
    assert (root / "docs/images/strip.webp").stat().st_size < 300_000
    assert "](docs/images/strip.webp)" in (root / "README.md").read_text("utf-8")


def test_a_missing_model_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--model", "missing.safetensors", "-o", str(tmp_path / "x.png")]) == 2
    assert capsys.readouterr().err.startswith("make_strip: unknown model 'missing.safetensors'")
