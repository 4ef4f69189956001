"""A server of a random model on a free port, and requests to it as a browser sends them."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from hvqcgic.codec import Codec
from hvqcgic.explore import Codecs, Limits, Server, Subject, bind


@dataclass(frozen=True)
class Got:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def facts(self) -> Any:
        return json.loads(self.headers["x-facts"])


class Client:
    """Sends requests to paths below the address of a page."""

    def __init__(self, address: str) -> None:
        self.address = address
        parts = urlsplit(address)
        self.place, self.base = parts.netloc, parts.path

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Got:
        """Sends a request to a path of the whole server; a body that is no bytes goes as JSON."""
        connection = http.client.HTTPConnection(self.place, timeout=120)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, data, headers or {})
            answer = connection.getresponse()
            return Got(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Got:
        return self.ask("GET", self.base + path, None, headers)

    def post(self, path: str, body: Any = b"", **headers: str) -> Got:
        return self.ask("POST", self.base + path, body, headers)

    def new_page(self) -> str:
        return self.post("pages").json["page"]


@contextmanager
def running(codec: Codec, *, limits: Limits | None = None, subject: Subject | None = None) -> Iterator[Client]:
    """A server with one model; the bundled ones are offered, too."""
    from hvqcgic.codec import load

    codecs = Codecs("random", codec, lambda name: load(name, device="cpu"))
    with Server(bind(), codecs, limits=limits or Limits(), subject=subject) as server:
        yield Client(server.address)
