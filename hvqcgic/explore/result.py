"""A coded picture, and everything that a page shows of it, computed when it is asked for."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from hvqcgic.bitstream import CELL_PX, GRANULARITIES, MODES
from hvqcgic.codec import Codec
from hvqcgic.coder import Encoded, cell_bits_map, cell_sizes_map
from hvqcgic.errors import ConfigError
from hvqcgic.explore.codecs import has_reverse_path
from hvqcgic.explore.quality import Figures
from hvqcgic.explore.rivals import RIVALS, rival_within
from hvqcgic.explore.worker import Check
from hvqcgic.files import STREAM_SUFFIX
from hvqcgic.pages import metric_label
from hvqcgic.pictures import encode_picture

STEPS = (0, 1, 2, 4)
"""Numbers of steps of the reverse path that are shown."""
PNG = "image/png"


@dataclass(frozen=True)
class Answer:
    """A file for the page.

    Attributes:
        body: its bytes; empty for figures alone.
        kind: media type.
        facts: figures that go with it.
        suffix: of a download; "" for what is only shown.
    """

    body: bytes = b""
    kind: str = PNG
    facts: dict[str, Any] = field(default_factory=dict)
    suffix: str = ""


@dataclass
class Result:
    """A picture in its file.

    Attributes:
        codec: of its model.
        coding: mode.
        encoded: its integers.
        data: the bytes of the file.
        parts: bits by part, which sum to those of the file.
        decoded: the picture that the file shows.
        figures: of the original; None for a file without one.
        sizes: returns the least and the largest bit rate of the same picture.
    """

    codec: Codec
    coding: str
    encoded: Encoded
    data: bytes
    parts: dict[str, float]
    decoded: Image.Image
    figures: Figures | None = None
    sizes: Callable[[], dict[str, Any]] | None = None
    _kept: dict[str, Answer] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Return the figures that are known at once."""
        encoded = self.encoded
        n_px = encoded.width * encoded.height
        counts = {g: encoded.masks.count(g) for g in GRANULARITIES}
        area = encoded.masks.coarse.size * CELL_PX["coarse"] ** 2
        psnr = self.figures.psnr_db(np.asarray(self.decoded)) if self.figures else None
        progressive = self.coding == MODES[0]
        return {
            "width": encoded.width,
            "height": encoded.height,
            "bytes": len(self.data),
            "bpp": 8 * len(self.data) / n_px,
            "model": self.codec.name,
            "coding": self.coding,
            "counts": counts,
            "shares": {g: count * CELL_PX[g] ** 2 / area for g, count in counts.items()},
            "parts": {name: float(bits) for name, bits in self.parts.items()},
            "metrics": {} if psnr is None else {"psnr_db": psnr},
            "passes": len(self.codec.config.entropy.schedule) if progressive else 0,
            "steps": list(STEPS) if progressive and has_reverse_path(self.codec) else [],
            "rivals": [{"name": r.name, "label": r.label} for r in RIVALS.values()] if self.figures else [],
        }

    def answer(self, view: str, check: Check) -> Answer:
        """Compute a view of the picture, once.

        Args:
            view: "decoded", "map", "bits", "png", "file", "modes", "quality", "range", "pass/K" for K from 1,
                "steps/N", or "rival/NAME".
            check: called between steps of the work.

        Raises:
            ConfigError: there is no such view.
            HvqcgicError: it cannot be computed.
        """
        if view not in self._kept:
            name, _, which = view.partition("/")
            if name not in _VIEWS or bool(which) != (name in _OF_SEVERAL):
                raise ConfigError(f"view {view!r} is unknown; use one of {', '.join(_VIEWS)}")
            self._kept[view] = _VIEWS[name](self, which, check)
        return self._kept[view]

    def _decoded(self, which: str, check: Check) -> Answer:
        return Answer(quick_png(self.decoded))

    def _map(self, which: str, check: Check) -> Answer:
        return Answer(quick_png(cell_sizes_map(self.encoded)))

    def _bits(self, which: str, check: Check) -> Answer:
        return Answer(quick_png(cell_bits_map(self.codec, self.encoded, coding=self.coding)))

    def _png(self, which: str, check: Check) -> Answer:
        return Answer(encode_picture(self.decoded, ".png"), suffix=".png")

    def _file(self, which: str, check: Check) -> Answer:
        return Answer(self.data, "application/octet-stream", suffix=STREAM_SUFFIX)

    def _modes(self, which: str, check: Check) -> Answer:
        """Sizes of the same indices in every coding mode that the encoded picture has all numbers for."""
        sizes: dict[str, int] = {}
        for mode in MODES:
            check()
            try:
                sizes[mode] = len(
                    self.data if mode == self.coding else self.codec.write(self.encoded, coding=mode).data
                )
            except ValueError:
                continue  # a file coded statically lacks the hyper-latents of the adaptive mode
        return Answer(facts={"sizes": sizes})

    def _quality(self, which: str, check: Check) -> Answer:
        if self.figures is None:
            return Answer(facts={"metrics": {}, "why": "a .hvq file has no original to compare with"})
        return Answer(facts=_metrics(self.figures, np.asarray(self.decoded)))

    def _range(self, which: str, check: Check) -> Answer:
        return Answer(facts=self.sizes() if self.sizes else {})

    def _pass(self, which: str, check: Check) -> Answer:
        seen = self.codec.preview(self.data, max_passes=_number(which))
        facts = {"name": seen.passes[-1], "bytes": seen.bytes_read, "share": seen.share_read}
        return Answer(quick_png(seen.picture), facts=facts)

    def _steps(self, which: str, check: Check) -> Answer:
        decoded = self.codec.reverse(self.data, steps=_number(which))
        return Answer(quick_png(decoded), facts=self._shown(decoded))

    def _rival(self, which: str, check: Check) -> Answer:
        if which not in RIVALS or self.figures is None:
            raise ConfigError(f"there is no rival {which!r} of this picture; use one of {', '.join(RIVALS)}")
        found = rival_within(self.figures.original, RIVALS[which], len(self.data), check)
        check()
        facts = {"quality": found.quality, "bytes": found.n_bytes, "fits": found.fits}
        return Answer(quick_png(Image.fromarray(found.decoded)), facts=facts | _metrics(self.figures, found.decoded))

    def _shown(self, decoded: Image.Image) -> dict[str, Any]:
        return {} if self.figures is None else _metrics(self.figures, np.asarray(decoded))


_OF_SEVERAL = ("pass", "steps", "rival")
_VIEWS: dict[str, Callable[[Result, str, Check], Answer]] = {
    "decoded": Result._decoded,  # pyright: ignore[reportPrivateUsage]
    "map": Result._map,  # pyright: ignore[reportPrivateUsage]
    "bits": Result._bits,  # pyright: ignore[reportPrivateUsage]
    "png": Result._png,  # pyright: ignore[reportPrivateUsage]
    "file": Result._file,  # pyright: ignore[reportPrivateUsage]
    "modes": Result._modes,  # pyright: ignore[reportPrivateUsage]
    "quality": Result._quality,  # pyright: ignore[reportPrivateUsage]
    "range": Result._range,  # pyright: ignore[reportPrivateUsage]
    "pass": Result._pass,  # pyright: ignore[reportPrivateUsage]
    "steps": Result._steps,  # pyright: ignore[reportPrivateUsage]
    "rival": Result._rival,  # pyright: ignore[reportPrivateUsage]
}


def quick_png(image: Image.Image) -> bytes:
    """Encode a PNG in little time; it travels within one machine."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _metrics(figures: Figures, decoded: np.ndarray) -> dict[str, Any]:
    metrics = {"psnr_db": figures.psnr_db(decoded), "lpips_alex": figures.lpips(decoded)}
    shown = {name: value for name, value in metrics.items() if value is not None}
    return {"metrics": shown, "why": figures.why_no_lpips, "labels": {name: metric_label(name) for name in shown}}


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise ConfigError(f"{text[:20]!r} is not a whole number")
    return int(text)
