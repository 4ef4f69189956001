"""BD-rates between all curves of a run: computed, stored in DIR/bd_rates.json, and printed as a table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from hvqcgic.evaluation.curves import Curve, Curves, read_curves
from hvqcgic.evaluation.rate_distortion import CurveError, Difference, PictureCurves, bootstrap_rate, compare_rate
from hvqcgic.files import write_atomically

BOOTSTRAP_DRAWS = 200


@dataclass(frozen=True)
class BdEntry:
    """BD-rate of one codec against another by one metric.

    Attributes:
        metric: name of the quality metric.
        anchor: the reference codec.
        test: the codec compared with the anchor.
        difference: in per cent of rate; None if the curves cannot be compared.
        reason: why the curves cannot be compared, else empty.
    """

    metric: str
    anchor: str
    test: str
    difference: Difference | None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return one flat JSON object: metric, anchor, test and the fields of the difference."""
        names = {"metric": self.metric, "anchor": self.anchor, "test": self.test, "reason": self.reason}
        return names | (asdict(self.difference) if self.difference else {})


@dataclass(frozen=True)
class BdRates:
    """BD-rates of every pair of curves of a run.

    Attributes:
        anchor: the codec for which the entries have bootstrap intervals.
        draws: number of bootstrap draws.
        entries: entries against `anchor` come first.
    """

    anchor: str
    draws: int
    entries: tuple[BdEntry, ...]


def write_bd_rates(
    folder: Path, *, anchor: str | None = None, generator: np.random.Generator, draws: int = BOOTSTRAP_DRAWS
) -> BdRates:
    """Compute the BD-rates of a run, and write DIR/bd_rates.json.

    Args:
        folder: DIR.
        anchor: the reference codec for which intervals are computed; None for the first codec of the run.
        generator: random generator of the bootstrap over pictures.
        draws: number of bootstrap draws; 0 leaves the intervals out.
    Raises:
        ConfigError: there are no results in the folder, or no such codec (`CurveError`).
        OutputError: the file cannot be written.
    """
    found = bd_rates(read_curves(folder), anchor, generator=generator, draws=draws)
    value = {"anchor": found.anchor, "draws": draws, "entries": [entry.to_dict() for entry in found.entries]}
    write_atomically(folder / "bd_rates.json", (json.dumps(value, indent=1) + "\n").encode(), force=True)
    return found


def bd_rates(
    curves: Curves, anchor: str | None = None, *, generator: np.random.Generator, draws: int = BOOTSTRAP_DRAWS
) -> BdRates:
    """Compute the BD-rates between all curves; arguments as in `write_bd_rates`.

    Raises:
        CurveError: there is no curve, or none with the anchor's name.
    """
    found = {curve.codec: curve for curve in curves.curves}
    if not found:
        raise CurveError("no codec has a point with enough pictures to draw a curve through")
    first = anchor or next(iter(found))
    if first not in found:
        raise CurveError(f"anchor {first!r} is not among the codecs of this run: {', '.join(found)}")
    entries = []
    for name in (first, *(other for other in found if other != first)):
        for metric in curves.metrics:
            for test in curves.curves:
                if test.codec != name and metric in test.metrics and metric in found[name].metrics:
                    entries.append(_entry(metric, found[name], test, generator, draws if name == first else 0))
    return BdRates(first, draws, tuple(entries))


def bd_rate_table(rates: BdRates, anchor: str | None = None) -> Table:
    """Build the terminal table of BD-rates against one codec, with intervals and common quality ranges.

    Args:
        rates: BD-rates of a run.
        anchor: a codec of the run; None for the codec with intervals.
    """
    anchor = anchor or rates.anchor
    entries = [entry for entry in rates.entries if entry.anchor == anchor]
    metrics, tests = (list(dict.fromkeys(getattr(e, field) for e in entries)) for field in ("metric", "test"))
    table = Table(title=f"BD-rate against {anchor}: bits at equal quality", caption=_CAPTION, show_lines=True)
    table.add_column("codec")
    for metric in metrics:
        table.add_column(metric, justify="right")
    cells = {(entry.test, entry.metric): _cell(entry) for entry in entries}
    for test in tests:
        table.add_row(test, *(cells.get((test, metric), "") for metric in metrics))
    return table


_CAPTION = (
    "per cent of file size (below 0: fewer bits), 95 % interval over pictures, range of quality shared by the curves"
)


def _cell(entry: BdEntry) -> str:
    found = entry.difference
    if found is None:
        return "no overlap" if "no common" in entry.reason else "-"
    interval = f"\n{found.interval[0]:+.1f} to {found.interval[1]:+.1f}" if found.interval else ""
    return f"{found.value:+.1f} %{interval}\n{found.low:.4g} to {found.high:.4g} ({100 * found.share:.0f} %)"


def _entry(metric: str, anchor: Curve, test: Curve, generator: np.random.Generator, draws: int) -> BdEntry:
    try:
        if draws and metric in anchor.by_picture and metric in test.by_picture:
            pair = [PictureCurves(*curve.of_pictures(metric)) for curve in (anchor, test)]
            return BdEntry(metric, anchor.codec, test.codec, bootstrap_rate(*pair, generator=generator, draws=draws))
        return BdEntry(metric, anchor.codec, test.codec, compare_rate(*anchor.of(metric), *test.of(metric)))
    except CurveError as error:
        return BdEntry(metric, anchor.codec, test.codec, None, str(error))
