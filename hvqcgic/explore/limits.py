"""Limits of what the server takes and keeps."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_MAX_PIXELS = 8_000_000


@dataclass(frozen=True)
class Limits:
    """Limits of one server.

    Attributes:
        max_pixels: largest picture, width times height.
        max_bytes: largest file.
        pages: pages that are kept; the oldest one gives way to a new one.
        results: coded pictures that are kept for a page.
    """

    max_pixels: int = DEFAULT_MAX_PIXELS
    max_bytes: int = 64_000_000
    pages: int = 4
    results: int = 2
