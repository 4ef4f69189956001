"""The application: pages, uploads, coding, and views of coded pictures.

GET  /                             the page; and its scripts and style
POST /pages                        a new page: its name, models and limits
POST /pages/PAGE/open?name=NAME    a picture or `.hvq` file, as it is
POST /pages/PAGE/code              codes the picture; JSON, see `Asked`
POST /pages/PAGE/end               the page was closed
GET  /pages/PAGE                   whether the page is kept
GET  /pages/PAGE/models/MODEL      what the page shows of a model
GET  /pages/PAGE/original          the picture before coding
GET  /pages/PAGE/results/N/VIEW    a view of a coded picture, see `Result.answer`

Errors are {"error": LINE}: 400 for a request that cannot be met, 410 for what is not kept any more, 413 for too many
bytes. A request before which a newer one came is answered {"replaced": true}.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from typing import Any
from urllib.parse import quote

from PIL import Image
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hvqcgic.bitstream import MODES
from hvqcgic.errors import HvqcgicError
from hvqcgic.explore.asked import parse_asked
from hvqcgic.explore.codecs import Codecs
from hvqcgic.explore.limits import Limits
from hvqcgic.explore.page import Gone, Page, PageGone
from hvqcgic.explore.result import Answer, quick_png
from hvqcgic.explore.subject import Subject
from hvqcgic.explore.worker import Replaced
from hvqcgic.files import one_line
from hvqcgic.pages import COLOURS, SCRIPTS, STYLE_SHEET, asset

OWN = ("explore.css", "requests.js", "brush.js", "panels.js", "explore.js")
KINDS = {".css": "text/css", ".js": "text/javascript", ".html": "text/html"}
BODY_SPARE = 1 << 20
"""Bytes of a request to code beside its mask."""


class ServerEnded(HvqcgicError):
    """The server ends."""


class TooLarge(HvqcgicError):
    """A request has more bytes than are taken."""


class Pages:
    """All pages of the server, by their names."""

    def __init__(self, codecs: Codecs, limits: Limits, first: Subject | None) -> None:
        """Args: codecs: offered; limits: of what is taken and kept; first: what new pages show."""
        self.codecs, self.limits, self._first = codecs, limits, first
        self._pages: dict[str, Page] = {}
        self._ended = False

    def add(self) -> tuple[str, Page]:
        """Start a page; the oldest one gives way if there are too many."""
        while len(self._pages) >= self.limits.pages:
            self.remove(next(iter(self._pages)))
        name = secrets.token_urlsafe(9)
        self._pages[name] = Page(self.codecs, self.limits, self._first)
        return name, self._pages[name]

    def get(self, request: Request) -> Page:
        """Return the page that a request names.

        Raises:
            PageGone: it is not kept any more.
            ServerEnded: none is kept any more.
        """
        if self._ended:
            raise _server_ended()
        page = self._pages.get(request.path_params["page"])
        if page is None:
            raise _page_gone()
        return page

    def remove(self, name: str) -> None:
        """Forget a page, if it is there."""
        page = self._pages.pop(name, None)
        if page is not None:
            page.worker.end(_page_gone())

    def end(self, timeout_s: float) -> bool:
        """Forget all pages, and wait for work in progress; return whether all of it has ended."""
        self._ended = True
        pages = list(self._pages.values())
        for page in pages:
            page.worker.end(_server_ended())
        end = time.monotonic() + timeout_s
        return all(page.worker.wait(max(0.0, end - time.monotonic())) for page in pages)


def _page_gone() -> PageGone:
    return PageGone("this page is not kept any more, because newer ones were opened; reload it to go on")


def _server_ended() -> ServerEnded:
    return ServerEnded("the server has ended: start hvqcgic explore again, and open the address that it prints")


def make_app(pages: Pages) -> Starlette:
    """Build the application for some pages."""
    handlers = Handlers(pages)
    return Starlette(
        routes=[
            Route("/", handlers.front),
            Route("/assets/{name}", handlers.file),
            Route("/pages", handlers.start, methods=["POST"]),
            Route("/pages/{page}", handlers.alive),
            Route("/pages/{page}/open", handlers.open, methods=["POST"]),
            Route("/pages/{page}/code", handlers.code, methods=["POST"]),
            Route("/pages/{page}/end", handlers.end, methods=["POST"]),
            Route("/pages/{page}/models/{model:path}", handlers.model),
            Route("/pages/{page}/original", handlers.original),
            Route("/pages/{page}/results/{number:int}/{view:path}", handlers.view),
        ],
        exception_handlers={HvqcgicError: _told, HTTPException: _told_http, Exception: _told},
    )


class Handlers:
    """One method for each route."""

    def __init__(self, pages: Pages) -> None:
        """Args: pages: of the server."""
        self._pages = pages

    async def front(self, request: Request) -> Response:
        """The page."""
        return Response(asset("explore.html", "explore"), media_type=KINDS[".html"])

    async def file(self, request: Request) -> Response:
        """A script or style sheet, by its name."""
        name = request.path_params["name"]
        if name in (*SCRIPTS, STYLE_SHEET):
            text = asset(name)
        elif name in OWN:
            text = asset(name, "explore")
        else:
            raise HTTPException(404)
        return Response(text, media_type=KINDS[name[name.rindex(".") :]])

    async def start(self, request: Request) -> Response:
        """A new page."""
        name, page = self._pages.add()
        codecs, limits = self._pages.codecs, self._pages.limits
        return JSONResponse(
            {
                "page": name,
                "models": [{"name": offer.name, "label": offer.label} for offer in codecs.offers],
                "modes": list(MODES),
                "colours": COLOURS,
                "limits": {"max_pixels": limits.max_pixels, "max_bytes": limits.max_bytes},
                "subject": _subject_facts(page.subject),
            }
        )

    async def alive(self, request: Request) -> Response:
        """Whether the page is kept."""
        self._pages.get(request)
        return JSONResponse({})

    async def open(self, request: Request) -> Response:
        """Take a picture or a `.hvq` file."""
        page, name = self._pages.get(request), request.query_params.get("name", "picture")
        data = await _body(request, self._pages.limits.max_bytes)
        subject = await asyncio.wrap_future(page.worker.submit(lambda check: page.open(data, name, check)))
        return JSONResponse(_subject_facts(subject))

    async def code(self, request: Request) -> Response:
        """Code the picture."""
        page = self._pages.get(request)
        asked, mask = parse_asked(await _body(request, 4 * self._pages.limits.max_pixels + BODY_SPARE))
        return JSONResponse(await asyncio.wrap_future(page.worker.submit(lambda check: page.code(asked, mask, check))))

    async def end(self, request: Request) -> Response:
        """The page was closed."""
        self._pages.remove(request.path_params["page"])
        return JSONResponse({})

    async def model(self, request: Request) -> Response:
        """What the page shows of a model."""
        self._pages.get(request)
        return JSONResponse(await asyncio.to_thread(self._pages.codecs.facts, request.path_params["model"]))

    async def original(self, request: Request) -> Response:
        """The picture before coding."""
        subject = self._pages.get(request).subject
        if subject is None or subject.pixels is None:
            raise HTTPException(404)
        pixels = subject.pixels
        return Response(await asyncio.to_thread(lambda: quick_png(Image.fromarray(pixels))), media_type="image/png")

    async def view(self, request: Request) -> Response:
        """A view of a coded picture."""
        page, number = self._pages.get(request), request.path_params["number"]
        view, subject = request.path_params["view"], page.subject
        work = page.worker.submit(lambda check: page.answer(number, view, check), newest=False)
        return _response(await asyncio.wrap_future(work), subject)


def _response(answer: Answer, subject: Subject | None) -> Response:
    if not answer.body:
        return JSONResponse(answer.facts)
    headers = {"x-facts": json.dumps(answer.facts)}
    if answer.suffix and subject is not None:
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(subject.stem + answer.suffix)}"
    return Response(answer.body, media_type=answer.kind, headers=headers)


def _subject_facts(subject: Subject | None) -> dict[str, Any] | None:
    if subject is None:
        return None
    size = {"width": subject.width, "height": subject.height}
    return {"name": subject.name, **size, "is_file": subject.data is not None}


async def _body(request: Request, limit: int) -> bytes:
    """The body of a request.

    Raises:
        TooLarge: it has more bytes than the limit; they are not read.
    """
    told = request.headers.get("content-length", "")
    parts, size = [], int(told) if told.isdigit() else 0
    if size <= limit:
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > limit:
                break
            parts.append(part)
    if size > limit:
        raise TooLarge(f"the file has more than {limit} bytes, which is the limit here; scale the picture down")
    return b"".join(parts)


STATUS = {Gone: 410, PageGone: 410, TooLarge: 413, ServerEnded: 503}


async def _told(request: Request, error: Exception) -> Response:
    if isinstance(error, Replaced):
        return JSONResponse({"replaced": True})
    if isinstance(error, HvqcgicError):
        gone = {"gone": True} if isinstance(error, PageGone | ServerEnded) else {}
        return JSONResponse({"error": one_line([error]), **gone}, STATUS.get(type(error), 400))
    return JSONResponse({"error": one_line([f"unexpected {type(error).__name__}: {error}"])}, 500)


async def _told_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": f"{error.detail}: {request.method} {request.url.path}"}, error.status_code)
