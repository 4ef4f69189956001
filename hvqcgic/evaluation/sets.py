"""Metrics of whole sets in a run: computed once for each codec and point, and cached with a hash of their inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path

from hvqcgic.evaluation.metrics.base import MetricUnavailable
from hvqcgic.evaluation.metrics.sets import Extractor, Features, compare, extract, load_inception
from hvqcgic.evaluation.pictures import read_png
from hvqcgic.evaluation.results import Row, SetMetrics, decoded_path, original_path, slug
from hvqcgic.files import write_atomically
from hvqcgic.schema import parse_json


class SetMeasurer:
    """Measures the picture sets of one run."""

    def __init__(self, folder: Path, load: Callable[[], Extractor]) -> None:
        """Args: folder: of the run; load: loads the feature network, called when first needed."""
        self._folder, self._load = folder, load

    def measure(self, rows: Sequence[Row]) -> SetMetrics:
        """Measure one codec and point.

        Args:
            rows: of its pictures, all coded.
        Raises:
            MetricUnavailable: the network cannot be loaded, or the pictures have too few patches.
        """
        codec, point = rows[0].codec, rows[0].point
        decoded = [decoded_path(self._folder, codec, point, row.picture) for row in rows]
        key = _key(decoded, tuple(original_path(self._folder, row.picture) for row in rows))
        kept = self._folder / "sets" / slug(codec) / f"{slug(point)}.json"
        if (values := _read(kept, key)) is None:
            values = compare(self._original(tuple(row.picture for row in rows)), self._features(decoded))
            write_atomically(kept, json.dumps({"key": key, "metrics": values}).encode(), force=True)
        return SetMetrics(codec, point, values)

    @cached_property
    def _extractor(self) -> Extractor:
        return self._load()

    @cached_property
    def _originals(self) -> dict[tuple[str, ...], Features]:
        return {}

    def _original(self, pictures: tuple[str, ...]) -> Features:
        if pictures not in self._originals:
            self._originals[pictures] = self._features(original_path(self._folder, name) for name in pictures)
        return self._originals[pictures]

    def _features(self, paths: Iterable[Path]) -> Features:
        return extract(map(read_png, paths), self._extractor)


def inception_of(device: str) -> Callable[[], Extractor]:
    """Return a function that loads the Inception network."""
    return lambda: load_inception(device)


def _key(*groups: Sequence[Path]) -> str:
    """Hash the files of the pictures."""
    digest = hashlib.sha256()
    for path in (path for group in groups for path in group):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _read(path: Path, key: str) -> dict[str, float] | None:
    try:
        value = parse_json(path.read_bytes(), str(path))
        return value["metrics"] if value["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def measure_sets(
    measurer: SetMeasurer, groups: Sequence[Sequence[Row]], done: Callable[[str], None]
) -> tuple[tuple[SetMetrics, ...], str]:
    """Measure several codecs and points; return the metrics, and one line on missing metrics, or ""."""
    found: list[SetMetrics] = []
    note = ""
    for rows in groups:
        try:
            found.append(measurer.measure(rows))
        except MetricUnavailable as error:
            note = str(error)
            break
        done(f"{rows[0].codec} {rows[0].point}")
    return tuple(found), note
