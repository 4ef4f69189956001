"""The codecs that can be compared. A new one is a class derived from `PictureCodec`, in a file of this folder."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from hvqcgic.evaluation.codecs.base import CodecUnavailable, Details, PictureCodec

__all__ = ["CodecUnavailable", "Details", "PictureCodec", "all_codecs"]


@cache
def all_codecs() -> dict[str, type[PictureCodec]]:
    """Every codec of this folder, by the name it has in a spec, in alphabetical order."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    found: list[type[PictureCodec]] = []
    todo = list(PictureCodec.__subclasses__())
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        if kind.name:
            found.append(kind)
    return {kind.name: kind for kind in sorted(found, key=lambda kind: kind.name)}
