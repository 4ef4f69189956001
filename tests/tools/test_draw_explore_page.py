"""Screenshots of the page of `hvqcgic explore`."""

from pathlib import Path

import pytest
from PIL import Image

from tests.command_calls import save_picture
from tools import draw_explore_page as tool
from tools.browser import find_chromium


def test_every_state_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    picture = save_picture(tmp_path / "p.png", seed=1, size=(96, 64))
    assert tool.main([str(picture), "-o", str(tmp_path / "out")]) == 0
    names = [f"{name}.webp" for name in tool.STATES]
    assert [Path(line).name for line in capsys.readouterr().out.splitlines()] == names
    widths = []
    for name in names:
        with Image.open(tmp_path / "out" / name) as image:
            widths.append(image.width)
    assert widths[-1] == tool.NARROW_PX
    assert min(widths[:-1]) > 2 * tool.NARROW_PX


def test_a_missing_picture_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    assert tool.main([str(tmp_path / "no.png"), "-o", str(tmp_path)]) == 2
    assert "there is no such file" in capsys.readouterr().err
