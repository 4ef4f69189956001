"""A headless Chromium, driven through its debugging pipe: real mouse, touch and keys, and all that it complains of."""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from hvqcgic.errors import HvqcgicError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_S = 60.0


def find_chromium() -> str | None:
    """Path of a Chromium on this machine, or None."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class NeverTrue(HvqcgicError):
    """A condition on a page did not come true in time."""


class Browser:
    """One page; use as a context manager.

    Attributes:
        complaints: of the console (warnings and errors), uncaught exceptions, and log entries so far.
        requests: addresses that were asked for.
    """

    def __init__(self, program: str, *, width: int = 1000, height: int = 800) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        read, self._to = os.pipe()
        self._from, write = os.pipe()
        options = [
            *(
                "--headless=new",
                "--remote-debugging-pipe",
                "--disable-gpu",
                "--no-first-run",
                "--disable-dev-shm-usage",
            ),
            *("--no-proxy-server", f"--window-size={width},{height}", f"--user-data-dir={self._profile.name}"),
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
        ]
        # Chromium reads its commands from descriptor 3 and answers on 4.
        command = f"exec {shlex.join([program, *options, 'about:blank'])} 3<&{read} 4>&{write}"
        self._process = subprocess.Popen(
            ["bash", "-c", command], pass_fds=(read, write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(read)
        os.close(write)
        self._number, self._buffer, self._session = 0, b"", None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(20)
        os.close(self._to)
        os.close(self._from)
        self._profile.cleanup()

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command and waits for its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._note(answer)

    def open(self, place: Path | str) -> None:
        """Opens a file or an address, and waits until it and its pictures are loaded."""
        self.send("Page.navigate", url=place if isinstance(place, str) else place.absolute().as_uri())
        self.wait_for("document.readyState === 'complete' && [...document.images].every((image) => image.complete)")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, f"{expression}: {found['exceptionDetails']}"
        return found["result"].get("value")

    def wait_for(self, condition: str, timeout_s: float = TIMEOUT_S) -> None:
        """Waits until a JavaScript condition holds; raises `NeverTrue` if it does not in time."""
        end = time.monotonic() + timeout_s
        while not self.evaluate(condition):
            if time.monotonic() > end:
                raise NeverTrue(f"the page never had what it was to have: {condition}")
            time.sleep(0.05)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Presses the left mouse button, moves in steps, releases."""
        self._mouse("mousePressed", start)
        for share in (0.25, 0.5, 0.75, 1.0):
            self._mouse("mouseMoved", (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])))
        self._mouse("mouseReleased", end)

    def hover(self, place: tuple[float, float]) -> None:
        """Moves the mouse without a button."""
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])

    def touch_drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """One finger down, along, up."""
        self.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": start[0], "y": start[1]}])
        for share in (0.25, 0.5, 0.75, 1.0):
            x, y = start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
            self.send("Input.dispatchTouchEvent", type="touchMove", touchPoints=[{"x": x, "y": y}])
        self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def wheel(self, place: tuple[float, float], delta: float) -> None:
        """Turns the mouse wheel; below 0 is away from the hand."""
        self.send("Input.dispatchMouseEvent", type="mouseWheel", x=place[0], y=place[1], deltaX=0, deltaY=delta)

    def key(self, name: str, *, shift: bool = False) -> None:
        """Presses and releases a key."""
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=name, code=name, modifiers=8 if shift else 0)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Writes what the page looks like as PNG; the whole page, or what is in sight."""
        found = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def _mouse(self, kind: str, place: tuple[float, float]) -> None:
        pressed = {"button": "left", "buttons": 1, "clickCount": 1}
        self.send("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], **pressed)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            piece = os.read(self._from, 1 << 20)
            assert piece, "the browser ended"
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        method, what = event.get("method"), event.get("params", {})
        if method == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(what["args"]))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(what["exceptionDetails"]))
        elif method == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{what['entry']['text']} {what['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"])
