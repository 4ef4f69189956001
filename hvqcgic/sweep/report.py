"""Output of a sweep as files and tables: trials.csv, front.csv, importances.csv, front.png, best/."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from hvqcgic.evaluation import save_figure
from hvqcgic.files import write_atomically
from hvqcgic.sweep import measuring, training
from hvqcgic.sweep.measuring import Measuring
from hvqcgic.sweep.outcome import Found, Importance, Outcome
from hvqcgic.sweep.plot import draw_front


def write_outcome(folder: Path, outcome: Outcome, pictures: Measuring) -> list[str]:
    """Write all output of a sweep.

    Args:
        folder: of the sweep.
        outcome: of the sweep.
        pictures: of the sweep.
    Returns:
        one line for each output that could not be written completely.
    Raises:
        OutputError: the folder cannot be written.
    """
    write_tables(folder, outcome)
    notes = [_write_best(folder / "best" / name, found, pictures) for name, found in outcome.best.items()]
    return [note for note in notes if note]


def write_tables(folder: Path, outcome: Outcome) -> None:
    """Write trials.csv, front.csv, importances.csv, and the front as front.png and front.svg.

    Raises:
        OutputError: the folder cannot be written.
    """
    write_atomically(folder / "trials.csv", _csv(outcome, outcome.trials), force=True)
    write_atomically(folder / "front.csv", _csv(outcome, outcome.front), force=True)
    write_atomically(folder / "importances.csv", _importances_csv(outcome.importances), force=True)
    if outcome.trials:
        save_figure(draw_front(outcome), folder / "front")


def front_table(outcome: Outcome) -> Table:
    """Format the Pareto front as a table, with the names of operating points."""
    names: dict[int, list[str]] = {}
    for name, found in outcome.best.items():
        names.setdefault(found.number, []).append(name)
    shown = {found.number: found for found in [*outcome.front, *outcome.best.values()]}
    table = Table(title=f"Pareto front: {len(outcome.front)} of {len(outcome.trials)} trials", title_justify="left")
    table.add_column("trial", justify="right")
    table.add_column("kind")
    for objective in outcome.objectives:
        table.add_column(objective.name, justify="right")
    table.add_column("parameters", overflow="fold")
    table.add_column("best")
    for found in sorted(shown.values(), key=lambda found: found.values):
        params = ", ".join(f"{name} {_short(value)}" for name, value in found.params.items())
        values = [f"{value:.4f}" for value in found.values]
        table.add_row(str(found.number), found.kind, *values, params, ", ".join(names.get(found.number, [])))
    return table


def importance_table(outcome: Outcome) -> Table:
    """Format the importance of each parameter as a table, with a column for each kind of trial and objective."""
    table = Table(title="importances of parameters (PED-ANOVA, shares of 1)", title_justify="left")
    table.add_column("parameter")
    for found in outcome.importances:
        table.add_column(f"{found.objective}, {found.trials} {found.kind}", justify="right")
    for name in dict.fromkeys(name for found in outcome.importances for name in found.shares):
        shares = [found.shares.get(name) for found in outcome.importances]
        table.add_row(name, *("" if share is None else _share(share) for share in shares))
    return table


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome as JSON values."""
    return {
        "objectives": [objective.name for objective in outcome.objectives],
        "trials": {
            "measured": len(outcome.trials),
            "pruned": outcome.pruned,
            "failed": outcome.failed,
            "retried": outcome.retried,
        },
        "front": [asdict(found) for found in outcome.front],
        "importances": [asdict(_finite(found)) for found in outcome.importances],
        "best": {name: asdict(found) for name, found in outcome.best.items()},
    }


def _write_best(folder: Path, found: Found, pictures: Measuring) -> str:
    """Write a trial's point, model and configuration under a name; return a line if the model is missing."""
    spec, note = found.spec, ""
    stale = folder / training.MODEL
    if found.kind == "train":
        try:
            write_atomically(stale, Path(found.model).read_bytes(), force=True)
            spec = spec.replace(found.model, str(stale))
            found = replace(found, model=str(stale), spec=spec)
        except OSError:
            note = f"best/{folder.name}: its model is on another machine, {found.model}; copy it from there"
    else:
        stale.unlink(missing_ok=True)
    write_atomically(folder / "point.json", json.dumps(asdict(found), indent=1).encode(), force=True)
    write_atomically(folder / measuring.CONFIG, pictures.config(spec), force=True)
    return note


def _csv(outcome: Outcome, trials: Sequence[Found]) -> bytes:
    """Format one line per trial; a cell is empty if the trial lacks the parameter."""
    front = {found.number for found in outcome.front}
    numbers = _names(found.numbers for found in trials)
    params = _names(found.params for found in trials)
    rows: list[list[Any]] = [["trial", "kind", "front", "seconds", "codec", *numbers, *params]]
    for found in trials:
        row = [found.number, found.kind, int(found.number in front), round(found.seconds, 2), found.spec]
        rows.append([*row, *(found.numbers.get(n, "") for n in numbers), *(found.params.get(p, "") for p in params)])
    return _lines(rows)


def _importances_csv(importances: Iterable[Importance]) -> bytes:
    rows: list[list[Any]] = [["kind", "trials", "objective", "parameter", "importance"]]
    for found in importances:
        rows += [[found.kind, found.trials, found.objective, name, share] for name, share in found.shares.items()]
    return _lines(rows)


def _lines(rows: Sequence[Sequence[Any]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()


def _names(values: Iterable[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for value in values for name in value))


def _finite(found: Importance) -> Importance:
    return replace(found, shares={name: share for name, share in found.shares.items() if math.isfinite(share)})


def _share(share: float) -> str:
    return f"{share:.2f}" if math.isfinite(share) else "–"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
