"""TensorBoard view of a sweep: each trial is a run with its parameters and results."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch.utils.tensorboard.summary import hparams
from torch.utils.tensorboard.writer import SummaryWriter

from hvqcgic.errors import OutputError
from hvqcgic.files import reason

Value = bool | int | float | str


@dataclass(frozen=True)
class TrialCharts:
    """TensorBoard values of a trial.

    Attributes:
        params: by name.
        columns: a value for every parameter of any trial in the sweep, by name: TensorBoard takes the columns of its
            table from an arbitrary run.
        values: measured values by name; empty for a pruned trial.
        curves: objectives at steps of the training, by name.
    """

    params: Mapping[str, Value]
    columns: Mapping[str, Value]
    values: Mapping[str, float]
    curves: Mapping[str, Mapping[int, float]] = field(default_factory=dict)


def write_charts(folder: Path, charts: TrialCharts) -> None:
    """Write a trial's TensorBoard run, and replace the run of an earlier attempt.

    Raises:
        OutputError: the folder cannot be written.
    """
    try:
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        with warnings.catch_warnings(), SummaryWriter(folder) as writer:
            warnings.simplefilter("ignore")
            _write(writer, charts)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {reason(error)}") from error


def _write(writer: SummaryWriter, charts: TrialCharts) -> None:
    metrics = {f"trial/{name}": value for name, value in charts.values.items()}
    experiment, _, _ = hparams({**charts.columns, **charts.params}, metrics)
    _, start, end = hparams(dict(charts.params), metrics)
    assert writer.file_writer is not None
    for summary in (experiment, start, end):
        writer.file_writer.add_summary(summary)
    for tag, value in metrics.items():
        writer.add_scalar(tag, value)
    for name, curve in charts.curves.items():
        for step, value in curve.items():
            writer.add_scalar(f"check/{name}", value, step)
