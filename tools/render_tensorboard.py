"""Screenshots of TensorBoard: Time Series, and the table and the parallel coordinates of HParams.

    python -m tools.render_tensorboard LOGDIR --out FOLDER

starts TensorBoard on a free port and writes time-series.png, table.png and parallel.png with a headless Chromium.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hvqcgic.errors import ConfigError, HvqcgicError, OutputError
from hvqcgic.files import one_line, reason
from hvqcgic.training import TENSORBOARD_QUERY
from tools.browser import Browser, NeverTrue, find_chromium

WIDTH_PX, HEIGHT_PX = 1920, 1200
TIMEOUT_S = 60.0
DRAWING_S = 3.0
"""Seconds that charts take to be drawn once their data are there; nothing in the page tells the end."""

DEEP = """(() => {
  const found = [];
  const look = (root) => root.querySelectorAll('*').forEach((one) => {
    found.push(one);
    if (one.shadowRoot) look(one.shadowRoot);
  });
  look(document);
  return found;
})()"""
"""All elements, including those within other elements' own trees."""

CHARTS = "document.querySelector('scalar-card svg') && !document.querySelector('scalar-card mat-spinner')"
TABLE = f"{DEEP}.some((one) => one.localName === 'vaadin-grid' && one.clientHeight > 0)"
PARALLEL_TAB = f"{DEEP}.find((one) => one.localName === 'paper-tab' && /parallel/i.test(one.textContent))"
PARALLEL = f"{DEEP}.some((one) => one.localName === 'path' && one.closest('.foreground'))"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the screenshots; return 0, or 2 after one line of what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logdir", type=Path, metavar="LOGDIR", help="folder with TensorBoard files")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder for the screenshots")
    options = parser.parse_args(arguments)
    try:
        for path in render(options.logdir, options.out):
            print(path)
    except HvqcgicError as error:
        print(f"render_tensorboard: {one_line([error])}", file=sys.stderr)
        return 2
    return 0


def render(logdir: Path, out: Path) -> Iterator[Path]:
    """Write the screenshots one after the other; yield their paths.

    Raises:
        ConfigError: there is no Chromium, no TensorBoard file, or TensorBoard does not start.
        OutputError: the folder cannot be written.
    """
    program = find_chromium()
    if program is None:
        raise ConfigError("no Chromium is installed; Debian's package chromium has it")
    if not any(logdir.rglob("*tfevents*")):
        raise ConfigError(f"{logdir}: no TensorBoard files there; name the --out of a training or of a sweep")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made: {reason(error)}; name another --out") from error
    with serving(logdir) as address, Browser(program, width=WIDTH_PX, height=HEIGHT_PX) as browser:
        browser.open(f"{address}{TENSORBOARD_QUERY}#timeseries")
        yield shoot(browser, CHARTS, out / "time-series.png")
        if not has_hparams(browser):
            return
        browser.open(f"{address}#hparams")
        yield shoot(browser, TABLE, out / "table.png")
        browser.evaluate(f"{PARALLEL_TAB}.click()")
        try:
            yield shoot(browser, PARALLEL, out / "parallel.png")
        except NeverTrue as error:
            raise ConfigError(
                f"{logdir}: no run has all results, so there are no parallel coordinates; validate with LPIPS and files"
            ) from error


def has_hparams(browser: Browser) -> bool:
    """Whether any run has parameters."""
    return bool(
        browser.evaluate("fetch('data/plugins_listing').then((a) => a.json()).then((found) => found.hparams.enabled)")
    )


def shoot(browser: Browser, condition: str, path: Path) -> Path:
    """Write a screenshot once a condition holds and the charts are drawn."""
    browser.wait_for(f"Boolean({condition})")
    time.sleep(DRAWING_S)
    browser.screenshot(path)
    return path


@contextmanager
def serving(logdir: Path) -> Iterator[str]:
    """Run TensorBoard on a free port of this machine; yield its address.

    Raises:
        ConfigError: it does not start.
    """
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen([*command, "--load_fast=false"], stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            for line in server.stderr:
                if found := re.search(r"at (http://\S+)", line):
                    yield found[1]
                    break
            else:
                raise ConfigError(f"TensorBoard does not start for {logdir}; run tensorboard --logdir {logdir}")
        finally:
            server.terminate()


if __name__ == "__main__":
    sys.exit(main())
