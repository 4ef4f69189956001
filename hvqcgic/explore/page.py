"""What the server knows of one page: its picture, features by model, and the last coded pictures."""

from __future__ import annotations

import hashlib
import itertools
import time
from typing import Any

from hvqcgic.bitstream import unpack
from hvqcgic.codec import Codec
from hvqcgic.coder import Analysed
from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.explore.asked import Asked, check_mask
from hvqcgic.explore.codecs import Codecs
from hvqcgic.explore.limits import Limits
from hvqcgic.explore.quality import Figures
from hvqcgic.explore.result import Answer, Result
from hvqcgic.explore.subject import Subject, read_subject
from hvqcgic.explore.worker import Check, Worker
from hvqcgic.rate_control import KnownSizes, OperatingPoint, reach

LEAST_BPP = 0.0001
"""A bit rate below that of every file."""


class Gone(HvqcgicError):
    """A coded picture is not kept any more."""


class PageGone(HvqcgicError):
    """A page is not kept any more."""


class Page:
    """One page in a browser. Its methods, `subject` apart, run in its worker's thread alone."""

    def __init__(self, codecs: Codecs, limits: Limits, subject: Subject | None) -> None:
        """Args: codecs: all that are offered; limits: of what is taken; subject: to start with."""
        self.subject = subject
        self.worker = Worker("hvqcgic-explore-page")
        self._codecs, self._limits = codecs, limits
        self._numbers = itertools.count(1)
        self._forget()

    def _forget(self) -> None:
        self._figures: Figures | None = None
        self._analysed: dict[str, Analysed] = {}
        self._known: dict[tuple[str, str, bytes], KnownSizes] = {}
        self._results: dict[int, Result] = {}

    def open(self, data: bytes, name: str, check: Check) -> Subject:
        """Take another picture or `.hvq` file; errors: `read_subject`, `Codecs.for_file`; then the old one stays."""
        subject = read_subject(data, name, self._limits)
        if subject.data is not None:
            self._codecs.for_file(subject.data, subject.name)
        self.subject = subject
        self._forget()
        return self.subject

    def code(self, asked: Asked, mask: bytes | None, check: Check) -> dict[str, Any]:
        """Code the page's picture, or decode its `.hvq` file.

        Args:
            asked: model, coding mode and operating point; a file needs none.
            mask: PNG of the picture's size, white where cells shall be finer; None for no regions.
            check: called between steps.

        Returns:
            figures of the coded picture; "number" names it in `answer`.

        Raises:
            HvqcgicError: it cannot be coded as asked, or there is no picture.
        """
        started = time.perf_counter()
        subject = self.subject
        if subject is None:
            raise ConfigError("there is no picture yet; open one")
        clamped, regions = "", mask is not None
        if subject.data is not None:
            result = _read(self._codecs.for_file(subject.data, subject.name), subject.data, self._limits.max_pixels)
        else:
            if mask is not None:
                check_mask(mask, subject.width, subject.height)
            result, clamped = self._code(subject, asked, mask, check)
        number = next(self._numbers)
        self._results[number] = result
        while len(self._results) > self._limits.results:
            del self._results[min(self._results)]
        result.answer("decoded", check)
        facts = {"number": number, "clamped": clamped, "regions": regions, "is_file": subject.data is not None}
        return result.facts() | facts | {"seconds": round(time.perf_counter() - started, 3)}

    def answer(self, number: int, view: str, check: Check) -> Answer:
        """Compute a view of a coded picture, see `Result.answer`.

        Raises:
            Gone: it is not kept any more.
        """
        if number not in self._results:
            raise Gone(f"coded picture {number} is not kept any more")
        return self._results[number].answer(view, check)

    def _code(self, subject: Subject, asked: Asked, mask: bytes | None, check: Check) -> tuple[Result, str]:
        assert subject.pixels is not None
        point = asked.point(mask)
        codec = self._codecs.get(asked.model)
        check()
        if asked.model not in self._analysed:
            self._analysed[asked.model] = codec.analyse(subject.pixels)
            check()
        self._figures = self._figures or Figures(subject.pixels)
        key = asked.model, asked.coding, hashlib.sha256(mask or b"").digest()
        known = self._known.setdefault(key, {})
        picture = self._analysed[asked.model]
        reached = reach(codec, picture, point, coding=asked.coding, known=known)
        written = codec.write(reached.encoded, coding=asked.coding)
        decoded = codec.reconstruct(reached.encoded)

        def sizes() -> dict[str, Any]:
            return _range(codec, picture, point.roi, coding=asked.coding, known=known)

        found = reached.encoded, written.data, written.parts, decoded
        return Result(codec, asked.coding, *found, self._figures, sizes), reached.clamped


def _read(codec: Codec, data: bytes, max_pixels: int) -> Result:
    """Read a `.hvq` file with the model that made it."""
    encoded = codec.read(data, max_pixels=max_pixels)
    coding = unpack(data, max_pixels=max_pixels).header.mode
    parts = dict(codec.write(encoded, coding=coding).parts)
    parts["container"] += 8 * len(data) - sum(parts.values())
    return Result(codec, coding, encoded, data, parts, codec.reconstruct(encoded))


def _range(codec: Codec, picture: Analysed, roi: Any, *, coding: str, known: KnownSizes) -> dict[str, Any]:
    """Measure the smallest and the largest file of a picture with a bit rate as target; later searches know them."""
    found = reach(codec, picture, OperatingPoint(bpp=LEAST_BPP, roi=roi, clamp=True), coding=coding, known=known)
    # A rate that cannot be reached makes the search try both ends of the ratio path.
    sizes = known[found.eta]
    return {"bpp": [8 * sizes[place] / (picture.width * picture.height) for place in (0.0, 1.0)]}
