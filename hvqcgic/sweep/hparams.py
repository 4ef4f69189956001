"""TensorBoard view of a sweep: each trial is a run, and a row of the table HParams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch.utils.tensorboard.writer import SummaryWriter

from hvqcgic.errors import OutputError
from hvqcgic.files import reason
from hvqcgic.training import HparamsResult, add_hparams


@dataclass(frozen=True)
class TrialCharts:
    """TensorBoard values of a trial.

    Attributes:
        name: of the trial.
        params: by name.
        columns: parameters of all trials of the sweep, in the order of the table.
        values: measured values by name; empty for a pruned trial.
        headings: headings of the columns of results, by names of values.
        curves: objectives at steps of the training, by name.
    """

    name: str
    params: Mapping[str, float | str]
    columns: Sequence[str]
    values: Mapping[str, float]
    headings: Mapping[str, str]
    curves: Mapping[str, Mapping[int, float]] = field(default_factory=dict)


def write_charts(folder: Path, charts: TrialCharts) -> None:
    """Write a trial's TensorBoard run, and replace the run of an earlier attempt.

    Raises:
        OutputError: the folder cannot be written.
    """
    try:
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        with SummaryWriter(folder) as writer:
            results = [HparamsResult(heading, f"trial/{name}") for name, heading in charts.headings.items()]
            add_hparams(writer, charts.name, charts.params, results, columns=charts.columns)
            for name, value in charts.values.items():
                writer.add_scalar(f"trial/{name}", value)
            for name, curve in charts.curves.items():
                for step, value in curve.items():
                    writer.add_scalar(f"check/{name}", value, step)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {reason(error)}") from error
