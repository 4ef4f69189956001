"""Codec specifications on the command line: NAME[:VARIANT][@POINTS], or published:FILE.json."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hvqcgic.errors import ConfigError
from hvqcgic.evaluation.codecs import PictureCodec, all_codecs

PUBLISHED = "published"


@dataclass(frozen=True)
class CodecSpec:
    """A codec and its operating points.

    Attributes:
        name: of a class in `hvqcgic.evaluation.codecs`.
        variant: the text after the colon, "" without one.
        points: labels, in the order given.
    """

    name: str
    variant: str
    points: tuple[str, ...]

    @property
    def label(self) -> str:
        """Name of the codec in rows and reports."""
        return f"{self.name}:{self.variant}" if self.variant else self.name

    def open(self, point: str, *, device: str) -> PictureCodec:
        """Create the codec at one of the points, ready to run; errors as in `PictureCodec`."""
        return all_codecs()[self.name](self.variant, point, device=device)


@dataclass(frozen=True)
class Specs:
    """All specifications of one command line: codecs to run, and files with published curves."""

    codecs: tuple[CodecSpec, ...]
    published: tuple[Path, ...]


def parse_specs(texts: Sequence[str]) -> Specs:
    """Parse the specifications of a command line; points of a codec that is named twice are joined.

    Raises:
        ConfigError: a codec or point is unknown, or a file of published curves is missing.
    """
    points: dict[tuple[str, str], list[str]] = {}
    published: list[Path] = []
    for text in texts:
        name, _, rest = text.partition(":")
        if name == PUBLISHED:
            published.append(_existing(Path(rest)))
            continue
        head, at, labels = text.rpartition("@")
        name, _, variant = (head if at else text).partition(":")
        kind = _find(name)
        variant, labels = kind.settle(variant, labels if at else "")
        points.setdefault((name, variant), []).extend(kind.points(labels))
    codecs = (CodecSpec(*key, tuple(dict.fromkeys(labels))) for key, labels in points.items())
    return Specs(tuple(codecs), tuple(dict.fromkeys(published)))


def _find(name: str) -> type[PictureCodec]:
    codecs = all_codecs()
    if name in codecs:
        return codecs[name]
    close = difflib.get_close_matches(name, codecs, n=1)
    guess = f" (did you mean {close[0]}?)" if close else ""
    raise ConfigError(f"unknown codec {name!r}{guess}: known are {', '.join(codecs)}, and {PUBLISHED}:FILE.json")


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ConfigError(f"{PUBLISHED}:{path}: there is no such file with published curves")
    return path
