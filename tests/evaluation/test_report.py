"""The report's content, and what it does in a real browser."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hvqcgic.errors import ConfigError
from hvqcgic.evaluation.report import write_report
from hvqcgic.evaluation.results import decoded_path, read_run, write_rows, write_run
from tests.evaluation.run_folder import make_run
from tools.browser import Browser, find_chromium

HOSTILE = "a \"</script><b>&'b"


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found.group(1))


def test_pictures_lie_beside_the_report(tmp_path: Path) -> None:
    rows = make_run(tmp_path)
    page = write_report(tmp_path).read_text()
    data = data_of(page)
    assert len(data["rows"]) == len(data["images"]) == len(rows)
    for row, images in zip(rows, data["images"], strict=True):
        assert (tmp_path / images[0].replace("%3D", "=")) == decoded_path(tmp_path, row.codec, row.point, row.picture)
        assert [bool(image) for image in images] == [True, row.codec == "jpeg", row.codec == "jpeg"]
    assert data["run"]["missing"] == {"niqe": "left out: its parameters were not given"}


@pytest.mark.parametrize("embed", ["all", ["one"]])
def test_pictures_inside_the_report(tmp_path: Path, embed: Any) -> None:
    rows = make_run(tmp_path)
    data = data_of(write_report(tmp_path, embed=embed).read_text())
    for row, images in zip(rows, data["images"], strict=True):
        inside = embed == "all" or row.picture == "one"
        assert images[0].startswith("data:image/png;base64,") == inside
    with pytest.raises(ConfigError, match="there is no picture 'three' in this run; use one, two"):
        write_report(tmp_path, embed=["three"])


def test_a_picture_of_which_an_interrupted_run_has_no_rows_may_be_embedded(tmp_path: Path) -> None:
    make_run(tmp_path)
    run = read_run(tmp_path)
    write_run(tmp_path, replace(run, pictures=run.pictures | {"three": "in/three.png"}))
    data = data_of(write_report(tmp_path, embed=["three", "one"]).read_text())
    assert [picture["name"] for picture in data["pictures"]] == ["one", "two"]


def test_nothing_comes_from_the_network_and_names_stay_text(tmp_path: Path) -> None:
    make_run(tmp_path, names=(HOSTILE, "two"))
    page = write_report(tmp_path).read_text()
    assert data_of(page)["pictures"][0]["name"] == HOSTILE
    addresses = set(re.findall(r"""(?:src|href)=["']([^"']*)""", page))
    assert {address for address in addresses if not address.startswith("#")} == {"data:,"}
    assert set(re.findall(r"https?://[^\s\"']+", page)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in page


def test_a_run_without_a_curve_is_refused_in_words(tmp_path: Path) -> None:
    make_run(tmp_path, names=())
    with pytest.raises(ConfigError, match="no codec has a point"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_a_metric_that_some_pictures_lack_has_a_rate_of_its_own(tmp_path: Path) -> None:
    rows = make_run(tmp_path)
    added = {"one": ["dists"], "two": []}
    write_rows(
        tmp_path,
        [replace(r, metrics=r.metrics | dict.fromkeys(added[r.picture], 10 / r.metrics["psnr_db"])) for r in rows],
    )
    data = data_of(write_report(tmp_path).read_text())
    assert data["counts"] == {"dists": 1}
    jpeg = data["curves"][0]
    of_one = sorted(row.bpp for row in rows if (row.codec, row.picture) == ("jpeg", "one"))
    assert jpeg["rates"]["dists"] == pytest.approx(of_one, rel=1e-5)
    assert jpeg["rates"]["psnr_db"] == jpeg["bpp"] != jpeg["rates"]["dists"]
    entries = [entry for entry in data["bd"]["entries"] if entry["metric"] == "dists"]
    assert [(entry["reason"], "value" in entry) for entry in entries] == [("", True)] * 2


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    folder = tmp_path_factory.mktemp("run")
    make_run(folder, names=(HOSTILE, "two"))
    with Browser(program) as browser:
        browser.open(write_report(folder))
        browser.evaluate("byId('viewer').scrollIntoView({behavior: 'instant'})")
        yield browser


def stage(page: Browser) -> tuple[float, float, float, float]:
    """Left, top, width and height of the viewer in the window, px."""
    found = page.evaluate(
        "(() => { const r = stage.getBoundingClientRect(); return [r.left, r.top, r.width, r.height] })()"
    )
    left, top, width, height = found
    return left, top, width, height


def insets(page: Browser, side: str) -> tuple[float, float]:
    """What is cut from a layer on its right and left, px."""
    shown = page.evaluate(f"getComputedStyle(byId('layer-{side}')).clipPath")
    values = [float(value) for value in re.findall(r"[\d.]+", shown)]
    # CSS leaves out sides that follow from others: all | top, right | top, right, bottom | all four.
    return values[min(1, len(values) - 1)], values[{1: 0, 4: 3}.get(len(values), 1)]


def clip(page: Browser) -> tuple[float, float]:
    """Where the left picture ends and the right one begins, px from the stage's left."""
    return stage(page)[2] - insets(page, "left")[0], insets(page, "right")[1]


def choose(page: Browser, select: str, value: str) -> None:
    page.evaluate(f"byId('{select}').value = {json.dumps(value)}; byId('{select}').dispatchEvent(new Event('change'))")


def test_ticks_have_the_decimals_that_their_step_needs(page: Browser) -> None:
    steps = {"2.5": 1, "0.25": 2, "25": 0, "1": 0, "0.1": 1, "0.02": 2, "0.005": 3, "0.0025": 4, "500": 0}
    assert page.evaluate(f"[{','.join(steps)}].map(decimals)") == list(steps.values())
    ticks = "axis([22.4, 33.1], 0, 100, false)"
    shown = page.evaluate(f"(() => {{ const a = {ticks}; return a.ticks.map((t) => t.toFixed(decimals(a.step))) }})()")
    assert shown == ["22.5", "25.0", "27.5", "30.0", "32.5"]


@pytest.mark.parametrize("share", [0.2, 0.75])
def test_mouse_moves_the_divider(page: Browser, share: float) -> None:
    left, top, width, height = stage(page)
    page.drag((left + clip(page)[0], top + height / 2), (left + share * width, top + height / 3))
    assert clip(page) == pytest.approx((share * width, share * width), abs=1)
    assert page.complaints == []


def test_finger_moves_the_divider(page: Browser) -> None:
    left, top, width, height = stage(page)
    page.touch_drag((left + clip(page)[0], top + height / 2), (left + 0.4 * width, top + height / 2))
    assert clip(page) == pytest.approx((0.4 * width, 0.4 * width), abs=1)


def test_arrow_keys_move_the_divider(page: Browser) -> None:
    width = stage(page)[2]
    page.evaluate("stage.focus()")
    page.key("Home")
    assert clip(page) == pytest.approx((0, 0), abs=1)
    page.key("ArrowRight", shift=True)
    page.key("ArrowRight")
    page.key("ArrowLeft")
    page.key("ArrowRight")
    assert clip(page) == pytest.approx((0.11 * width, 0.11 * width), abs=1)
    assert page.evaluate("stage.getAttribute('aria-valuenow')") == "11"


def test_the_divider_changes_what_is_seen(page: Browser, tmp_path: Path) -> None:
    """Left of it the original, right of it the worst JPEG: the picture of the screen must say so."""
    choose(page, "left-codec", "original")
    choose(page, "right-codec", "jpeg")
    choose(page, "right-point", "quality=5")
    page.wait_for("[...document.images].every((image) => image.complete)")
    seen = []
    for key in ("Home", "End"):
        page.evaluate("stage.focus()")
        page.key(key)
        page.screenshot(tmp_path / "screen.png")
        left, top, width, height = stage(page)
        with Image.open(tmp_path / "screen.png") as screen:
            area = screen.convert("RGB").crop(
                (int(left + width / 3), int(top + 60), int(left + width / 2), int(top + height - 60))
            )
            seen.append(np.asarray(area, np.float64))
    assert np.abs(seen[0] - seen[1]).mean() > 2


def test_zoom_is_pixelated_and_moves_about_the_mouse(page: Browser) -> None:
    left, top, width, height = stage(page)
    page.evaluate("document.querySelector('[data-zoom=\"8\"]').click()")
    image = "document.querySelector('#layer-right img')"
    assert page.evaluate(f"getComputedStyle({image}).imageRendering") == "pixelated"
    assert page.evaluate(f"{image}.getBoundingClientRect().width") == pytest.approx(8 * 96)
    spot = (left + width / 3, top + height / 2)
    under = f"(({spot[0]} - {image}.getBoundingClientRect().left) / view.scale)"
    before = page.evaluate(under)
    page.wheel(spot, -300)
    page.wait_for("view.scale > 15")
    assert page.evaluate(under) == pytest.approx(before, abs=0.1)
    corner = page.evaluate(f"{image}.getBoundingClientRect().left")
    page.evaluate("view.split = 0.9; place()")
    page.drag(spot, (spot[0] + 40, spot[1]))
    assert page.evaluate(f"{image}.getBoundingClientRect().left") == pytest.approx(corner + 40, abs=1)
    page.evaluate("document.querySelector('[data-zoom=fit]').click()")
    assert page.evaluate("stage.classList.contains('fits')")


@pytest.mark.parametrize("overlay", ["map", "bits"])
def test_overlays_lie_over_the_side_that_has_them(page: Browser, overlay: str) -> None:
    choose(page, "left-codec", "webp")
    choose(page, "right-codec", "jpeg")
    page.evaluate(f"document.querySelector('[data-overlay={overlay}]').click()")
    sources = page.evaluate("[...document.querySelectorAll('#stage img.overlay')].map((image) => image.src)")
    assert len(sources) == 1
    assert sources[0].endswith(f".{overlay}.png")
    page.evaluate("document.querySelector('[data-overlay=none]').click()")
    assert page.evaluate("document.querySelectorAll('#stage img.overlay').length") == 0


def test_equal_bytes_finds_the_rival_nearest_in_size(page: Browser) -> None:
    choose(page, "left-codec", "webp")
    choose(page, "left-point", "quality=80")
    choose(page, "right-codec", "jpeg")
    page.evaluate("byId('equal-bytes').click()")
    rows = page.evaluate("DATA.rows.filter((row) => row.picture === picture().name)")
    wanted = next(row["bytes"] for row in rows if row["codec"] == "webp" and row["point"] == "quality=80")
    jpegs = {row["point"]: row["bytes"] for row in rows if row["codec"] == "jpeg"}
    nearest = min(jpegs, key=lambda point: abs(np.log(jpegs[point] / wanted)))
    assert page.evaluate("byId('right-point').value") == nearest
    assert page.evaluate("byId('right-point').disabled")
    page.evaluate("byId('equal-bytes').click()")


def test_hovering_a_mark_shows_its_values(page: Browser) -> None:
    page.evaluate("byId('curves').scrollIntoView({behavior: 'instant'})")
    box = page.evaluate("document.querySelector('.mark').getBoundingClientRect().toJSON()")
    spot = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.hover(spot)
    shown = page.evaluate("byId('tooltip').innerText")
    first = page.evaluate("DATA.curves[0]")
    assert first["codec"] in shown
    assert first["points"][0] in shown
    assert f"{first['bpp'][0]:.4f}" in shown
    page.evaluate("byId('viewer').scrollIntoView({behavior: 'instant'})")


def test_scope_and_anchor_change_charts_and_table(page: Browser) -> None:
    before = page.evaluate("document.querySelector('.curve').getAttribute('points')")
    choose(page, "curve-scope", "two")
    assert page.evaluate("document.querySelector('.curve').getAttribute('points')") != before
    choose(page, "curve-scope", "")
    assert page.evaluate("document.querySelector('#bd tbody td').innerText") == "webp"
    choose(page, "anchor", "webp")
    assert page.evaluate("document.querySelector('#bd tbody td').innerText") == "jpeg"


def test_after_all_that_nothing_was_complained_of_or_fetched(page: Browser) -> None:
    assert page.complaints == []
    assert page.requests
    assert all(address.startswith(("file:", "data:")) for address in page.requests)
