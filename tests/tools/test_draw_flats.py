import colorsys
from pathlib import Path

import numpy as np
from PIL import Image

from tools import draw_flats


def test_the_same_arguments_draw_the_same_flats_around_the_circle_of_hues(tmp_path: Path) -> None:
    for name in ("first", "second"):
        assert draw_flats.main([str(tmp_path / name), "--count", "4"]) == 0
    pictures = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "first").iterdir())]
    again = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "second").iterdir())]
    assert [picture.shape for picture in pictures] == [(256, 384, 3)] * 4
    assert all(np.array_equal(a, b) for a, b in zip(pictures, again, strict=True))
    for number, picture in enumerate(pictures):
        for row in (64, 192):
            for column in (64, 192, 320):
                patch = picture[row - 8 : row + 8, column - 8 : column + 8].reshape(-1, 3)
                hue, saturation, _ = colorsys.rgb_to_hsv(*(patch.mean(0) / 255))
                assert (hue - number / 4 + 0.02) % 1 < 0.12
                assert saturation > 0.4
                assert patch.std(0).max() < 6
