"""What every request passes first: host, token, and what a browser may do with the answer."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Lets requests through that name a host of this machine and begin with the token: /TOKEN/...

    The host is compared because another site's name may be made to lead here (DNS rebinding). The token is compared in
    constant time. The application sees the rest of the path.
    """

    def __init__(self, app: ASGIApp, *, token: str, hosts: Iterable[str]) -> None:
        """Wrap an application.

        Args:
            app: the application.
            token: first part of every path.
            hosts: accepted Host headers, such as "127.0.0.1:8000".
        """
        self._app, self._token, self._hosts = app, token.encode(), frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403, add a missing last slash, or call the application."""
        if scope["type"] != "http":
            return
        host = Headers(scope=scope).get("host", "")
        token, slash, rest = scope["path"].removeprefix("/").partition("/")
        if host not in self._hosts:
            app: ASGIApp = _refusal("this address is not that of hvqcgic explore; open the one that it printed")
        elif not secrets.compare_digest(token.encode("utf-8", "surrogatepass"), self._token):
            app = _refusal("this address lacks the token; open the one that hvqcgic explore printed")
        elif not slash:
            # The page asks for its scripts by paths relative to the address.
            app = RedirectResponse(f"/{token}/")
        else:
            app, scope = self._app, {**scope, "path": f"/{rest}", "raw_path": None}

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await app(scope, receive, send_guarded)


def _refusal(why: str) -> ASGIApp:
    return PlainTextResponse(f"{why}\n", status_code=403)
