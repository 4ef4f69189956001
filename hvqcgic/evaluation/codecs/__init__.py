"""The codecs of comparisons: every named class derived from `PictureCodec` in a file of this folder."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from hvqcgic.evaluation.codecs.base import CodecUnavailable, Details, PictureCodec

__all__ = ["CodecUnavailable", "Details", "PictureCodec", "all_codecs"]


@cache
def all_codecs() -> dict[str, type[PictureCodec]]:
    """Return every codec of this folder by its name in a specification, in alphabetical order."""
    found: dict[str, type[PictureCodec]] = {}
    for entry in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{entry.name}")
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, PictureCodec) and kind.name:
                found[kind.name] = kind
    return dict(sorted(found.items()))
