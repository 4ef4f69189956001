"""The drawings of the manual are those that the tool draws, and nothing in them lies beyond their border."""

import xml.etree.ElementTree as ET
from pathlib import Path

import draw_manual as tool
import pytest

IMAGES = Path(__file__).parents[2] / "docs/images"
LETTER_SHARE = 0.54
"""Width of a letter in heights, at most, on average."""


@pytest.mark.parametrize("name", sorted(tool.DRAWINGS))
def test_a_drawing_is_the_one_of_its_source(name: str, tmp_path: Path) -> None:
    assert tool.main(["--out", str(tmp_path)]) == 0
    assert (tmp_path / f"{name}.svg").read_text("utf-8") == (IMAGES / f"{name}.svg").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(tool.DRAWINGS))
def test_boxes_and_words_lie_within_the_drawing(name: str) -> None:
    drawing = tool.DRAWINGS[name]()
    for part in ET.fromstring(drawing.svg()):
        at = {key: float(value) for key, value in part.items() if key in ("x", "y", "width", "height", "font-size")}
        if part.tag.endswith("rect"):
            assert 0 <= at["x"] <= at["x"] + at["width"] <= drawing.width
            assert 0 <= at["y"] <= at["y"] + at["height"] <= drawing.height
        elif part.tag.endswith("text"):
            length = LETTER_SHARE * at["font-size"] * len(part.text or "")
            left = at["x"] - {"start": 0.0, "middle": length / 2}[part.get("text-anchor", "start")]
            assert left >= 0
            assert left + length <= drawing.width
            assert at["y"] <= drawing.height


def test_every_drawing_is_shown_in_the_manual() -> None:
    pages = "".join(page.read_text("utf-8") for page in IMAGES.parent.glob("*.md"))
    assert all(f"images/{name}.svg" in pages for name in tool.DRAWINGS)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert tool.main(["--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith("draw_manual: ")
