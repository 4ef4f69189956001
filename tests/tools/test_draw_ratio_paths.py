"""Drawing the ratio paths: areas and lines hold the shares, and the files are the same every time."""

from pathlib import Path
from xml.etree import ElementTree

import draw_ratio_paths as tool
import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from PIL import Image

from hvqcgic.models.granularity import Ratios
from hvqcgic.rate_control.ratio_path import PATHS


def straight(t: float) -> Ratios:
    return t, 0.0, 1 - t


def bent(t: float) -> Ratios:
    return t * t, t - t * t, 1 - t


def tops(area: PolyCollection) -> list[float]:
    """The largest height of an area at t = 0, 1/2 and 1."""
    outline = np.asarray(area.get_paths()[0].vertices)
    return [float(outline[np.isclose(outline[:, 0], t), 1].max()) for t in (0, 0.5, 1)]


@pytest.mark.parametrize(
    ("shares", "indices"), [((1, 0, 0), 1 / 16), ((0, 1, 0), 1 / 64), ((0, 0, 1), 1 / 256), ((0.5, 0.5, 0), 5 / 128)]
)
def test_indices_per_pixel(shares: Ratios, indices: float) -> None:
    assert tool.indices_per_pixel(shares) == indices


def test_areas_and_lines_are_those_of_the_paths() -> None:
    figure = tool.draw({"straight": straight, "bent": bent})
    first, second, below, last = figure.axes
    assert [first.get_title(), second.get_title()] == ["straight", "bent"]
    areas = [area for area in second.collections if isinstance(area, PolyCollection)]
    assert [area.get_label() for area in areas] == ["coarse", "medium", "fine"]
    assert [tops(area) for area in areas] == [[1, 0.5, 0], [1, 0.75, 0], [1, 1, 1]]
    for axes, path in ((below, straight), (last, bent)):
        points = np.asarray(axes.get_lines()[0].get_xydata())
        assert np.array_equal(points[:, 0], tool.PLACES)
        assert points[100, 1] == tool.indices_per_pixel(path(0.25))


def test_it_writes_png_and_svg_of_every_path_the_same_every_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = [tmp_path / "paths.png", tmp_path / "paths.svg"]
    assert tool.main(["-o", str(tmp_path / "paths")]) == 0
    assert capsys.readouterr().out.split() == list(map(str, written))
    with Image.open(written[0]) as picture:
        assert picture.height > 600
    text = "".join(ElementTree.parse(written[1]).getroot().itertext())
    for words in (*PATHS, "share of the area", "indices per pixel", "coarse", "1/16"):
        assert words in text
    before = [path.read_bytes() for path in written]
    assert tool.main(["-o", str(tmp_path / "paths")]) == 0
    assert [path.read_bytes() for path in written] == before


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert tool.main(["-o", str(tmp_path / "file/paths")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
