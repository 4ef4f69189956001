"""The server of `hvqcgic explore`: on the loopback address alone, until it is interrupted."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from types import TracebackType

import uvicorn

from hvqcgic.errors import ConfigError
from hvqcgic.explore.codecs import Codecs
from hvqcgic.explore.guard import Guard
from hvqcgic.explore.limits import Limits
from hvqcgic.explore.routes import Pages, make_app
from hvqcgic.explore.subject import Subject
from hvqcgic.files import reason

LOOPBACK = "127.0.0.1"
_GRACE_S = 2.0
"""Longest wait at the end for work in progress, and then for answers on their way."""


def bind(port: int = 0) -> socket.socket:
    """Reserve a port of the loopback address.

    Args:
        port: from 1 to 65535; 0 for a free one.

    Raises:
        ConfigError: the port is in use, or not allowed.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # A port of a server that has just ended is free again; elsewhere this would share a port in use.
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((LOOPBACK, port))
        # A port is in use from here on.
        found.listen(128)
    except (OSError, OverflowError) as error:
        found.close()
        number = getattr(error, "errno", None)
        why = "is in use" if number == errno.EADDRINUSE else f"cannot be had ({reason(error)})"
        raise ConfigError(f"port {port} of {LOOPBACK} {why}; give another --port, or none for a free one") from error
    return found


class Server:
    """Answers pages from a thread of its own, as a context manager.

    Attributes:
        address: of the page, with the token.
        idle: at the end, whether all work has ended; a thread that still computes would make PyTorch abort the process.
    """

    def __init__(self, place: socket.socket, codecs: Codecs, *, limits: Limits, subject: Subject | None) -> None:
        """Prepare a server.

        Args:
            place: from `bind`; closed at the end.
            codecs: of the models that are offered.
            limits: of what is taken and kept.
            subject: what new pages show; None for nothing.
        """
        token, port = secrets.token_urlsafe(24), place.getsockname()[1]
        self.address = f"http://{LOOPBACK}:{port}/{token}/"
        self.idle = True
        self._place, self._pages = place, Pages(codecs, limits, subject)
        config = uvicorn.Config(
            Guard(make_app(self._pages), token=token, hosts=(f"{LOOPBACK}:{port}", f"localhost:{port}")),
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        # An event, because CPython 3.11 takes a thread for ended after an interruption of `Thread.join`.
        self._ended = threading.Event()

    def __enter__(self) -> Server:
        """Start the thread; the socket takes connections from `bind` on."""
        threading.Thread(target=self._run, name="hvqcgic-explore", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Forget all pages; wait for work in progress for some seconds."""
        self.idle = self._pages.end(_GRACE_S)
        self._server.should_exit = True
        self._ended.wait(_GRACE_S)
        self._place.close()

    def wait(self) -> None:
        """Wait until the process is interrupted, which raises `KeyboardInterrupt`."""
        while not self._ended.wait(0.2):
            pass

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._place])
        finally:
            self._ended.set()


def open_browser(address: str, complain: Callable[[str], None]) -> None:
    """Open an address in the user's browser; say so if there is none. Returns at once."""

    def work() -> None:
        try:
            browser = webbrowser.get()
            # Without BROWSER, this kind is a browser within the terminal, which would take it over and run no script.
            if type(browser) is webbrowser.GenericBrowser and "BROWSER" not in os.environ:
                raise webbrowser.Error
            if browser.open(address):
                return
        except (webbrowser.Error, OSError):
            pass
        complain("no browser could be opened here; open the address above in one on this machine")

    threading.Thread(target=work, name="hvqcgic-explore-browser", daemon=True).start()
