"""Screenshots of the page of `hvqcgic explore`: a picture coded, a region painted, previews, and a narrow screen.

    python -m tools.draw_explore_page [PICTURE] [--model MODEL] -o FOLDER

Without PICTURE, a photograph of scikit-image is shown (`coffee`, by Rachel Michetti, CC0). Writes explore.webp,
explore-region.webp, explore-previews.webp and explore-narrow.webp with a headless Chromium.
Exit codes: 0 done; 2 a model, a picture, a browser or an output that cannot be used.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

from PIL import Image

from hvqcgic.codec import load
from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.explore import Codecs, Limits, Server, bind, read_subject
from hvqcgic.files import check_readable_picture, one_line, write_atomically
from tools.browser import Browser, NeverTrue, find_chromium

WIDTH_PX, HEIGHT_PX, TALL_PX, NARROW_PX = 1280, 860, 960, 400
QUALITY = 82
PATIENCE_S = 600.0
"""Longest wait for everything of a state, on a busy machine."""
CODED = "state.result !== null && byId('busy').hidden"
RIVALS = "state.result.rivals.every(({ name }) => loaded(`rival/${name}`))"
SETTLED = f"{CODED} && state.result.sizes !== undefined && {RIVALS}"
DRAWN = "[...document.images].every((image) => image.complete)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the screenshots; return 0, or 2 after one line of what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", type=Path, metavar="PICTURE", help="what the page shows")
    parser.add_argument("--model", default="tiny", help="model that codes it")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder of the screenshots")
    options = parser.parse_args(arguments)
    try:
        for path in draw(options.picture or Path(str(resources.files("skimage") / "data/coffee.png")), options):
            print(path)
    except (HvqcgicError, NeverTrue) as error:
        print(f"draw_explore_page: {one_line([error])}", file=sys.stderr)
        return 2
    return 0


def draw(picture: Path, options: argparse.Namespace) -> list[Path]:
    """Serve the page, bring it into each state, and write what it looks like."""
    program = find_chromium()
    if program is None:
        raise ConfigError("no Chromium on this machine (Debian: apt-get install chromium)")
    check_readable_picture(picture)
    limits = Limits()
    subject = read_subject(picture.read_bytes(), picture.name, limits)
    codecs = Codecs(options.model, load(options.model), load)
    options.output.mkdir(parents=True, exist_ok=True)
    written = []
    with (
        Server(bind(), codecs, limits=limits, subject=subject) as server,
        Browser(program, width=WIDTH_PX, height=HEIGHT_PX) as browser,
    ):
        browser.open(server.address)
        browser.wait_for(SETTLED, PATIENCE_S)
        for name, bring in STATES.items():
            bring(browser)
            path = options.output / f"{name}.webp"
            write_atomically(path, shot(browser), force=True)
            written.append(path)
    return written


def shot(browser: Browser) -> bytes:
    """What is in sight, as WebP."""
    browser.wait_for(DRAWN)
    with tempfile.TemporaryDirectory() as folder:
        browser.screenshot(Path(folder) / "shot.png")
        with Image.open(Path(folder) / "shot.png") as image:
            buffer = io.BytesIO()
            image.convert("RGB").save(buffer, "WEBP", quality=QUALITY, method=6)
    return buffer.getvalue()


def coded(browser: Browser) -> None:
    """The picture and its file, as the page begins."""
    browser.evaluate("scrollTo(0, 0)")


def region(browser: Browser) -> None:
    """A painted region under the map of cell sizes."""
    number = browser.evaluate("state.result.number")
    browser.evaluate("document.querySelector('[data-overlay=map]').click(); byId('paint').click()")
    browser.evaluate("byId('brush-size').value = 150; showRing()")
    box = browser.evaluate("stage.getBoundingClientRect().toJSON()")
    at = [(box["x"] + x * box["width"], box["y"] + 0.5 * box["height"]) for x in (0.62, 0.7)]
    browser.drag(at[0], at[1])
    browser.wait_for(f"state.result.number > {number} && {SETTLED} && pictures.has('map')", PATIENCE_S)


def previews(browser: Browser) -> None:
    """Previews pass by pass, and the bits of each cell."""
    browser.evaluate("useTool(null); clearMask(); document.querySelector('[data-overlay=bits]').click()")
    number = browser.evaluate("state.result.number")
    browser.evaluate("byId('passes').open = true; byId('steps').open = true; codeSoon()")
    passes = "[...Array(state.result.passes).keys()].every((i) => loaded(`pass/${i + 1}`))"
    steps = "state.result.steps.every((n) => loaded(`steps/${n}`))"
    shown = f"{SETTLED} && {passes} && {steps} && pictures.has('bits')"
    browser.wait_for(f"state.result.number > {number} && {shown}", PATIENCE_S)
    size = {"width": WIDTH_PX, "height": TALL_PX, "deviceScaleFactor": 1, "mobile": False}
    browser.send("Emulation.setDeviceMetricsOverride", **size)
    browser.wait_for(f"innerHeight === {TALL_PX}")
    browser.evaluate("scrollTo({ top: document.body.scrollHeight, behavior: 'instant' })")


def narrow(browser: Browser) -> None:
    """A narrow, dark screen."""
    size = {"width": NARROW_PX, "height": HEIGHT_PX, "deviceScaleFactor": 1, "mobile": True}
    browser.send("Emulation.setDeviceMetricsOverride", **size)
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.send("Emulation.setEmulatedMedia", features=dark)
    browser.evaluate("document.querySelector('[data-overlay=none]').click(); document.activeElement.blur()")
    browser.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    browser.wait_for(f"innerWidth === {NARROW_PX} && view.fit && {SETTLED}", PATIENCE_S)


STATES: dict[str, Callable[[Browser], None]] = {
    "explore": coded,
    "explore-region": region,
    "explore-previews": previews,
    "explore-narrow": narrow,
}


if __name__ == "__main__":
    raise SystemExit(main())
