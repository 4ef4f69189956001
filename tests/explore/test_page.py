"""The page in a real browser: the slider, the brush, files dropped on it, and what it says when something fails."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqcgic.codec import Codec
from hvqcgic.explore import Limits, Subject
from tests.explore.running import Client, running
from tests.random_model import random_picture
from tools.browser import Browser, find_chromium

WIDTH, HEIGHT = 128, 96
PIXELS = random_picture(WIDTH, HEIGHT, seed=4)
SUBJECT = Subject("some.png", WIDTH, HEIGHT, pixels=PIXELS)
LIMITS = Limits(max_pixels=20_000, max_bytes=200_000, pages=2)
CODED = "state.result !== null && byId('busy').hidden"
ALL_LOADED = f"{CODED} && state.result.sizes !== undefined && pictures.has('rival/avif')"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with Browser(program, width=1300, height=1000) as found:
        yield found


@pytest.fixture(scope="module")
def client(codec: Codec) -> Iterator[Client]:
    with running(codec, limits=LIMITS, subject=SUBJECT) as found:
        yield found


@pytest.fixture
def page(browser: Browser, client: Client) -> Iterator[Browser]:
    """A fresh page that has coded its picture; at the end it must have complained of nothing."""
    browser.complaints.clear()
    browser.requests.clear()
    browser.open(client.address)
    browser.wait_for(ALL_LOADED)
    yield browser
    assert browser.complaints == []
    assert all(address.startswith((client.address, "blob:", "data:")) for address in browser.requests)


def move(page: Browser, control: str, value: float) -> None:
    page.evaluate(f"byId('{control}').value = {value}; byId('{control}').dispatchEvent(new Event('input'))")


def choose(page: Browser, select: str, value: str) -> None:
    page.evaluate(f"byId('{select}').value = {json.dumps(value)}; byId('{select}').dispatchEvent(new Event('change'))")


def coded_after(page: Browser, number: int) -> None:
    page.wait_for(f"{CODED} && state.result.number > {number}")


def number(page: Browser) -> int:
    return page.evaluate("state.result.number")


def drop(page: Browser, name: str, data: bytes) -> None:
    text = base64.b64encode(data).decode()
    page.evaluate(
        f"""(() => {{
          const bytes = Uint8Array.from(atob({json.dumps(text)}), (sign) => sign.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], {json.dumps(name)}));
          document.dispatchEvent(new DragEvent("drop", {{ dataTransfer: transfer, bubbles: true, cancelable: true }}));
        }})()"""
    )


def shown_pixels(page: Browser, side: str) -> np.ndarray:
    """Pixels of the picture that a side shows, (H, W, 3)."""
    values = page.evaluate(
        f"""(async () => {{
          const image = document.querySelector("#layer-{side} img");
          await image.decode();
          const canvas = element("canvas", {{ width: image.naturalWidth, height: image.naturalHeight }});
          canvas.getContext("2d").drawImage(image, 0, 0);
          const area = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return [canvas.width, canvas.height, ...area.data];
        }})()"""
    )
    width, height = values[:2]
    return np.array(values[2:], np.uint8).reshape(height, width, 4)[..., :3]


def share_of_fine_cells(page: Browser) -> float:
    """Of the part of the picture that is painted in a test."""
    return page.evaluate(
        """(async () => {
          const image = new Image();
          image.src = pictures.get("map").url;
          await image.decode();
          const pen = element("canvas", { width: image.width, height: image.height }).getContext("2d");
          pen.drawImage(image, 0, 0);
          const area = pen.getImageData(40, 40, 32, 16).data;
          let fine = 0;
          for (let i = 0; i < area.length; i += 4) fine += area[i] > area[i + 2] ? 1 : 0;
          return 4 * fine / area.length;
        })()"""
    )


def test_the_slider_codes_anew(page: Browser, codec: Codec) -> None:
    before, old = number(page), page.evaluate("state.result.bytes")
    assert np.array_equal(shown_pixels(page, "left"), PIXELS)
    low, high = page.evaluate("state.range")
    move(page, "rate", 900)
    coded_after(page, before)
    asked, got = page.evaluate("[Number(byId('bpp').value), state.result.bpp]")
    assert asked == pytest.approx(low * (high / low) ** 0.9, abs=0.001)
    assert abs(got - asked) <= max(0.01 * asked, 8 * 16 / PIXELS[..., 0].size)
    assert page.evaluate("state.result.bytes") > old
    shown = page.evaluate("byId('figures').innerText")
    assert page.evaluate("bytes(state.result.bytes)") in shown
    data = page.evaluate(
        "fetch(byId('save-file').href).then((answer) => answer.arrayBuffer()).then((file) => [...new Uint8Array(file)])"
    )
    assert np.array_equal(shown_pixels(page, "right"), np.asarray(codec.decompress(bytes(data))))


def test_many_moves_end_at_the_last_one(page: Browser) -> None:
    before = number(page)
    for value in (100, 200, 300, 950, 640):
        move(page, "rate", value)
        page.evaluate("new Promise((done) => setTimeout(done, 70))")
    coded_after(page, before)
    page.wait_for(f"{CODED} && Math.abs(state.result.bpp - Number(byId('bpp').value)) < 0.02")
    assert page.evaluate("byId('notice').hidden")


def test_cell_shares_move_each_other_and_presets_set_all(page: Browser) -> None:
    before = number(page)
    page.evaluate("byId('by-ratios').click()")
    move(page, "fine", 60)
    coded_after(page, before)
    shares = page.evaluate("ratios")
    assert shares["fine"] == pytest.approx(0.6)
    assert sum(shares.values()) == pytest.approx(1)
    assert page.evaluate("state.result.shares.fine") == pytest.approx(0.6, abs=0.03)
    before = number(page)
    page.evaluate("[...document.querySelectorAll('#presets button')].at(-1).click()")
    coded_after(page, before)
    assert page.evaluate("state.result.shares.fine") == 0


def test_a_painted_region_gets_finer_cells(page: Browser) -> None:
    page.evaluate("byId('by-ratios').click()")
    page.evaluate("[ratios.fine, ratios.medium, ratios.coarse] = [0.15, 0.35, 0.5]; codeSoon()")
    coded_after(page, number(page))
    page.evaluate("document.querySelector('[data-overlay=map]').click(); byId('paint').click()")
    page.wait_for("pictures.has('map')")
    before, earlier = number(page), share_of_fine_cells(page)
    box = page.evaluate("stage.getBoundingClientRect().toJSON()")
    left, top, scale = page.evaluate("[view.x, view.y, view.scale]")
    at = [(box["x"] + left + x * scale, box["y"] + top + 48 * scale) for x in (36, 76)]
    page.evaluate("byId('brush-size').value = 200; showRing()")
    split = page.evaluate("view.split")
    page.drag(at[0], at[1])
    coded_after(page, before)
    page.wait_for("pictures.has('map')")
    assert page.evaluate("state.result.regions")
    assert share_of_fine_cells(page) > max(0.9, earlier)
    assert page.evaluate("view.split") == split
    before = number(page)
    page.evaluate("byId('clear').click()")
    coded_after(page, before)
    assert not page.evaluate("state.result.regions")
    page.evaluate("document.querySelector('[data-overlay=none]').click()")


def test_keys_paint_as_the_pointer_does(page: Browser) -> None:
    page.evaluate("byId('paint').click()")
    before = number(page)
    page.key("ArrowRight", shift=True)
    page.key("ArrowDown")
    x, y = page.evaluate("[brush.x, brush.y]")
    assert x > WIDTH / 2
    assert y > HEIGHT / 2
    page.key("Enter")
    coded_after(page, before)
    assert page.evaluate("state.result.regions")
    page.key("Escape")
    assert page.evaluate("byId('ring').hidden")
    page.key("Home")
    assert page.evaluate("view.split") == 0


def test_previews_and_rivals_are_shown_on_request(page: Browser, codec: Codec) -> None:
    page.evaluate("byId('passes').open = true")
    page.wait_for("pictures.has(`pass/${state.result.passes}`)")
    assert page.evaluate("document.querySelectorAll('#passes-strip img').length") == page.evaluate(
        "state.result.passes"
    )
    page.evaluate("document.querySelector('#passes-strip button').click()")
    page.wait_for("byId('tag-right').innerText.includes('after pass 1 ·')")
    assert not np.array_equal(shown_pixels(page, "right"), shown_pixels(page, "left"))
    page.evaluate("document.querySelector('#rivals [aria-label=\"show JPEG\"]').click()")
    page.wait_for("byId('tag-right').innerText.startsWith('JPEG at the same bytes')")
    assert page.evaluate("byId('steps-card').hidden")
    assert page.evaluate("byId('modes').innerText.includes('static-arithmetic')")


def test_another_model_and_mode(page: Browser) -> None:
    before = number(page)
    choose(page, "coding", "static-huffman")
    coded_after(page, before)
    assert page.evaluate("state.result.coding") == "static-huffman"
    assert page.evaluate("byId('passes-card').hidden")
    before = number(page)
    choose(page, "model", "tiny")
    coded_after(page, before)
    assert page.evaluate("state.result.model") == "tiny"


def test_a_file_dropped_on_the_page_opens(page: Browser, codec: Codec) -> None:
    data = codec.compress(random_picture(64, 48, seed=2))
    drop(page, "other.hvq", data)
    page.wait_for(f"state.subject.name === 'other.hvq' && {CODED} && state.result.is_file")
    assert page.evaluate("state.result.bytes") == len(data)
    assert np.array_equal(shown_pixels(page, "right"), np.asarray(codec.decompress(data)))
    assert page.evaluate("byId('controls').disabled")
    assert "other.hvq · 64 × 48 pixels" in page.evaluate("byId('subject').innerText")


def test_a_picture_dropped_on_the_page_is_coded(page: Browser, tmp_path: Path) -> None:
    Image.fromarray(random_picture(60, 44, seed=2)).save(tmp_path / "p.png")
    drop(page, "p.png", (tmp_path / "p.png").read_bytes())
    page.wait_for(f"state.subject.name === 'p.png' && {CODED} && state.result.width === 60")
    assert not page.evaluate("byId('controls').disabled")


def test_narrow_screens_have_nothing_to_scroll_sideways(page: Browser) -> None:
    page.send("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=True)
    try:
        page.wait_for("innerWidth === 400")
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        box = page.evaluate("stage.getBoundingClientRect().toJSON()")
        middle = box["y"] + box["height"] / 2
        page.touch_drag((box["x"] + box["width"] / 2, middle), (box["x"] + box["width"] / 4, middle))
        assert page.evaluate("view.split") == pytest.approx(0.25, abs=0.01)
    finally:
        page.send("Emulation.clearDeviceMetricsOverride")


def notice(browser: Browser) -> str:
    browser.wait_for("!byId('notice').hidden")
    return browser.evaluate("byId('notice-text').innerText")


@pytest.fixture
def failing(browser: Browser, client: Client) -> Browser:
    """As `page`, but it may complain: browsers log every answer that is an error."""
    browser.open(client.address)
    browser.wait_for(CODED)
    return browser


def test_a_broken_file_is_said_and_the_picture_stays(failing: Browser, codec: Codec) -> None:
    broken = bytearray(codec.compress(PIXELS))
    broken[len(broken) // 2] ^= 1
    drop(failing, "broken.hvq", bytes(broken))
    assert notice(failing).startswith("broken.hvq: ")
    assert failing.evaluate("state.subject.name") == "some.png"
    before = number(failing)
    move(failing, "rate", 700)
    coded_after(failing, before)


def test_files_beyond_the_limits_are_said(failing: Browser, tmp_path: Path) -> None:
    Image.new("RGB", (200, 101)).save(tmp_path / "large.png")
    drop(failing, "large.png", (tmp_path / "large.png").read_bytes())
    assert "large.png: 200 x 101 pixels: at most" in notice(failing)
    failing.evaluate("byId('notice-close').click()")
    drop(failing, "long.png", bytes(200_001))
    assert notice(failing) == "long.png: 200 001 bytes, at most 200 000 are taken here"


def test_a_page_that_gave_way_says_so(failing: Browser, client: Client) -> None:
    for _ in range(LIMITS.pages):
        client.new_page()
    assert "newer ones were opened; reload it" in notice(failing)
    assert failing.evaluate("byId('controls').disabled")


def test_a_page_of_a_server_that_ended_says_so(browser: Browser, codec: Codec) -> None:
    with running(codec, subject=SUBJECT) as client:
        browser.open(client.address)
        browser.wait_for(CODED)
        move(browser, "rate", 800)
    assert "the server has ended" in notice(browser)
    assert browser.evaluate("byId('controls').disabled")
