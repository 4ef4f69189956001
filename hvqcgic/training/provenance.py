"""The pictures that weights were trained on, recorded in every checkpoint and in the card of every exported model.

Whether weights may be used follows from their pictures, those of the start included: so each training adds one line to
the lines of its start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hvqcgic.model_files import RECORD_KEY
from hvqcgic.training.sources import prefix_of

NOT_RECORDED = "pictures not recorded"
"""Line of a start that says nothing of its pictures."""
_NAMED = 40


def pictures_text(names: Sequence[str]) -> str:
    """Number of pictures, and how many there are of each prefix: `30 pictures: azure 8, cats 20, 2 of other names`.

    Args:
        names: of the pictures; a folder's name is left out, as it may be private.
    """
    counts = Counter(prefix_of(name) for name in names)
    named = sorted(prefix for prefix, _ in counts.most_common(_NAMED) if prefix)
    parts = [f"{prefix} {counts[prefix]}" for prefix in named]
    others = len(names) - sum(counts[prefix] for prefix in named)
    if others and parts:
        parts.append(f"{others} of other names")
    count = f"{len(names)} picture{'s' if len(names) != 1 else ''}"
    return f"{count}: {', '.join(parts)}" if parts else count


def line_of(stage: str, steps: int, pictures: str) -> str:
    """Line of one training."""
    return f"{stage}, {steps} steps: {pictures}"


def recorded(content: Mapping[str, Any]) -> list[str]:
    """Lines of a checkpoint, or of a model's card; older cards describe their pictures in `data`."""
    lines = content.get(RECORD_KEY)
    if isinstance(lines, list):
        return [str(line) for line in lines]
    return [str(content.get("data", NOT_RECORDED))]


def joined(records: Iterable[Sequence[str]]) -> list[str]:
    """Lines of several starts, without repetitions."""
    return list(dict.fromkeys(line for lines in records for line in lines))


def before_resuming(lines: Sequence[str], stage: str, steps: int, pictures: str) -> list[str]:
    """Lines of an interrupted training that stay when it goes on: all but its own, if its pictures are the same.

    Args:
        lines: of its checkpoint.
        stage: of the training.
        steps: of the checkpoint.
        pictures: of the training that goes on.
    """
    return list(lines[:-1] if lines and lines[-1] == line_of(stage, steps, pictures) else lines)
