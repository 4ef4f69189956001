"""The server of `hvqcgic explore`: on the loopback address alone, until it is interrupted."""

from __future__ import annotations

import secrets
import socket
import threading
from types import TracebackType

import uvicorn

from hvqcgic.explore.codecs import Codecs
from hvqcgic.explore.guard import Guard
from hvqcgic.explore.limits import Limits
from hvqcgic.explore.loopback import LOOPBACK
from hvqcgic.explore.routes import Pages, make_app
from hvqcgic.explore.subject import Subject

_GRACE_S = 2.0
"""Longest wait at the end for work in progress, and then for answers on their way."""


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
