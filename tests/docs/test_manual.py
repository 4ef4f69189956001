"""The manual is built without a warning, holds every page and every exported name, and fetches nothing."""

import re
import subprocess
import sys
from pathlib import Path

import manual_pages
import pytest
from browser import Browser, find_chromium

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FETCHED = re.compile(
    r"<(?:script|img|iframe|source)[^>]*\bsrc=\"?(?:https?:)?//|<link[^>]*\brel=\"?stylesheet[^>]*(?:https?:)?//"
)


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built pages."""
    folder = tmp_path_factory.mktemp("manual")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return folder


def test_every_page_is_there(manual: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        assert (manual / page.relative_to(ROOT / "docs")).with_suffix(".html").is_file()


def test_the_reference_holds_every_exported_name(manual: Path) -> None:
    rooms = manual_pages.rooms()
    assert {"codec", "entropy", "bitstream", "training"} <= {room.name for room in rooms}
    for room in rooms:
        page = (manual / f"api/{room.name}.html").read_text("utf-8")
        assert all(f'id="{name}"' in page for name in manual_pages.exports(room))


def test_no_page_fetches_anything_from_elsewhere(manual: Path) -> None:
    pages = sorted(manual.rglob("*.html"))
    assert len(pages) > 30
    assert not [page.name for page in pages if FETCHED.search(page.read_text("utf-8"))]
    assert not [style.name for style in manual.rglob("*.css") if "url(http" in style.read_text("utf-8")]


def test_the_search_finds_a_word_in_pages_from_the_disk(manual: Path) -> None:
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium on this machine")
    with Browser(program) as browser:
        browser.open(manual / "glossary.html")
        typed = "new InputEvent('input', {bubbles: true})"
        browser.evaluate(
            "(() => { const field = document.querySelector('[data-md-component=search-query]'); field.focus(); "
            f"field.value = 'hyperprior'; field.dispatchEvent({typed}); "
            "field.dispatchEvent(new KeyboardEvent('keyup', {bubbles: true})); })()"
        )
        browser.wait_for("document.querySelectorAll('.md-search-result__item').length > 0")
        assert not browser.complaints
        assert all(place.startswith(("file:", "data:", "about:")) for place in browser.requests)
