"""What TensorBoard shows of a sweep: each trial a run with its parameters and what they gave."""

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
    """What is shown of a trial.

    Attributes:
        params: by name.
        columns: a value of every parameter that some trial of the sweep has, by name: TensorBoard takes the columns of
            its table from any one of the runs.
        values: what was measured, by name; empty of a trial that was pruned.
        curves: objectives at steps of the training, by name.
    """

    params: Mapping[str, Value]
    columns: Mapping[str, Value]
    values: Mapping[str, float]
    curves: Mapping[str, Mapping[int, float]] = field(default_factory=dict)


def write_charts(folder: Path, charts: TrialCharts) -> None:
    """Write a trial's run of TensorBoard, in place of what an earlier attempt left there.

    Raises:
        OutputError: the folder cannot be written to.
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
