"""The table of all shards, DIR/table.csv, and its means, computed without holding all rows in memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hvqcgic.evaluation import PointMean, Row, metric_names
from hvqcgic.files import write_atomically
from hvqcgic.scale.parts import Part

TABLE = "table.csv"
_FIXED = ("picture", "width", "height", "codec", "point", "bytes", "bpp", "encode_s", "decode_s", "status")
_NOT_OF_FAILED = frozenset(["bytes", "bpp", "encode_s", "decode_s"])

Parts = Callable[[], Iterator[Part]]


@dataclass
class Sums:
    """Sums over the rows of one codec and point, and the number of rows in each sum."""

    pictures: int = 0
    failed: int = 0
    totals: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Add a row."""
        if not row.ok:
            self.failed += 1
            return
        self.pictures += 1
        values = {"bytes": row.bytes, "bpp": row.bpp, "encode_s": row.encode_s, "decode_s": row.decode_s}
        for name, value in (values | row.metrics).items():
            self.totals[name] = self.totals.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def mean(self, codec: str, point: str) -> PointMean:
        """Return the means in the form of the evaluator's summary."""
        means = {name: total / self.counts[name] for name, total in self.totals.items()}
        bpp, encode_s, decode_s = (means.pop(name, 0.0) for name in ("bpp", "encode_s", "decode_s"))
        means.pop("bytes", None)
        return PointMean(codec, point, self.pictures, self.failed, bpp, encode_s, decode_s, means)


@dataclass(frozen=True)
class Merged:
    """Summary of a table.

    Attributes:
        points: means of each codec and point.
        n_bytes: of all coded pictures.
        failed: the first failed rows, with their shards.
        notes: reasons for missing metrics, by name.
    """

    points: tuple[PointMean, ...]
    n_bytes: int
    failed: tuple[tuple[str, Row], ...]
    notes: dict[str, str]


def write_table(folder: Path, parts: Parts, *, failed_shown: int) -> Merged:
    """Write the rows of all parts, in their order.

    Args:
        folder: for the table.
        parts: reads the parts one after the other; called twice, the first time for the names of all metrics.
        failed_shown: largest number of failed rows to return.
    Raises:
        OutputError: the table cannot be written.
    """
    metrics = list(dict.fromkeys(name for part in parts() for name in metric_names(part.rows)))
    sums: dict[tuple[str, str], Sums] = {}
    failed: list[tuple[str, Row]] = []
    notes: dict[str, str] = {}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["shard", *_FIXED, *metrics])
    for part in parts():
        notes = part.notes | notes
        for row in part.rows:
            writer.writerow([part.shard, *_cells(row, metrics)])
            sums.setdefault((row.codec, row.point), Sums()).add(row)
            if not row.ok and len(failed) < failed_shown:
                failed.append((part.shard, row))
    # A name in a tar file need not be UTF-8; the table has its bytes as they are.
    write_atomically(folder / TABLE, buffer.getvalue().encode("utf-8", "surrogateescape"), force=True)
    n_bytes = int(sum(found.totals.get("bytes", 0) for found in sums.values()))
    return Merged(tuple(found.mean(*key) for key, found in sums.items()), n_bytes, tuple(failed), notes)


def _cells(row: Row, metrics: list[str]) -> list[object]:
    values = asdict(row)
    fixed = ["" if not row.ok and name in _NOT_OF_FAILED else values[name] for name in _FIXED]
    return [*fixed, *(row.metrics.get(name, "") for name in metrics)]
