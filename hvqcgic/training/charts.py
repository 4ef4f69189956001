"""Charts of a training in TensorBoard: the three codings as named lines of one chart, and the table HParams.

A chart of TensorBoard's Time Series holds one tag, and each run (folder) is a line with the run's name. The values of
LINES therefore go to a tag that codings share, in a folder `STAGE/CODING` beside the other values of a stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.plugins.hparams import summary_v2 as plugin
from torch.utils.tensorboard.writer import SummaryWriter

from hvqcgic.bitstream import MODES
from hvqcgic.models import Ratios
from hvqcgic.training.config import Stage, TrainingConfig

CODINGS = MODES[:3]
"""Names of the lines: adaptive, static-arithmetic, static-huffman, as in all programs.

TensorBoard gives colours to runs in the order of their first events, so in this order.
"""

BATCH, FILES = "bits of the batch", "bits of files"
"""Groups of the first charts; TensorBoard sorts groups by name, so other groups need later names."""


@dataclass(frozen=True)
class Line:
    """Place of a logged value in the charts.

    Attributes:
        tag: chart, "GROUP/NAME".
        coding: of CODINGS, name of the line.
    """

    tag: str
    coding: str


def _bpp_lines(logged: str, group: str) -> dict[str, Line]:
    return {f"{logged}/{coding.replace('-', '_')}_bpp": Line(f"{group}/bpp", coding) for coding in CODINGS}


LINES: Mapping[str, Line] = {
    **_bpp_lines("rate", BATCH),
    "rate/saving_percent": Line(f"{BATCH}/saving_percent", CODINGS[0]),
    "rate/z_percent": Line(f"{BATCH}/z_percent", CODINGS[0]),
    **_bpp_lines("file", FILES),
    "file/saving_percent": Line(f"{FILES}/saving_percent", CODINGS[0]),
    "file/z_percent": Line(f"{FILES}/z_percent", CODINGS[0]),
}
"""Charts of logged values, by their names; any other value is a chart of its own name in the folder of the stage."""

TENSORBOARD_QUERY = f"?runColorGroup=regex:({'|'.join(CODINGS)}|)$&smoothing=0"
"""What is added to TensorBoard's address for equal colours of a coding in all stages and trainings."""


class ChartLogger(TensorBoardLogger):
    """Writes the values of LINES to the folders of the codings, and all others to the folder of the stage."""

    def __init__(self, folder: Path, stage: Stage, *, steps_taken: int = 0) -> None:
        """Args: folder: of the training; stage: its name; steps_taken: later points of an earlier process go."""
        super().__init__(folder, name=None, version=stage, default_hp_metric=False, purge_step=steps_taken)
        self._steps_taken = steps_taken
        self._codings: dict[str, SummaryWriter] = {}

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Write values at a step."""
        rest = {name: value for name, value in metrics.items() if name not in LINES and name != "epoch"}
        if rest:
            super().log_metrics(rest, step)
        for name, value in metrics.items():
            if name in LINES:
                self._writer(LINES[name].coding).add_scalar(LINES[name].tag, float(value), step)

    @rank_zero_only
    def save(self) -> None:
        """Write what is in memory to the disk."""
        super().save()
        for writer in self._codings.values():
            writer.flush()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Close the files."""
        super().finalize(status)
        for writer in self._codings.values():
            writer.close()

    def _writer(self, coding: str) -> SummaryWriter:
        if not self._codings:
            self._codings = {
                name: SummaryWriter(Path(self.log_dir) / name, purge_step=self._steps_taken) for name in CODINGS
            }
        return self._codings[coding]


@dataclass(frozen=True)
class HparamsResult:
    """A column of results in HParams.

    Attributes:
        name: heading.
        tag: chart whose last value counts.
        folder: of the chart, below the folder that the parameters are written to; "" for that folder.
    """

    name: str
    tag: str
    folder: str = ""


RESULTS = (
    HparamsResult("bpp of files", f"{FILES}/bpp", CODINGS[0]),
    HparamsResult("saving, %", f"{FILES}/saving_percent", CODINGS[0]),
    HparamsResult("LPIPS", "val/lpips"),
    HparamsResult("PSNR, dB", "val/psnr_db"),
)
"""Results of a training: last validation."""


RATIOS = ("fine", "medium", "coarse")
"""Headings of the ratios."""


def training_params(options: TrainingConfig, stage: Stage, ratios: Ratios) -> dict[str, float | str]:
    """Parameters of a training that HParams shows: lambda, default ratios of the model, and few others."""
    return {
        "lambda": options.lmbda,
        **ratio_params(ratios),
        "learning rate": options.learning_rate,
        "LPIPS weight": options.lpips_weight,
        "steps": options.steps,
        "stage": stage,
    }


def ratio_params(ratios: Ratios) -> dict[str, float]:
    """Ratios as parameters of HParams."""
    return dict(zip(RATIOS, (round(share, 4) for share in ratios), strict=True))


def add_hparams(
    writer: SummaryWriter,
    name: str,
    params: Mapping[str, float | str],
    results: Sequence[HparamsResult],
    *,
    columns: Sequence[str] | None = None,
) -> None:
    """Write a row of the table HParams.

    Args:
        writer: of the folder.
        name: of the row; rows of one name would be averaged.
        params: by the headings of their columns.
        results: columns of results.
        columns: headings of all parameters in their order, if other rows have more: TensorBoard takes the columns of
            its table from an arbitrary row; None for those of params.
    """
    # TensorBoard sorts columns by their names, and shows the first five of them until others are ticked.
    order = {heading: f"{place:02} {heading}" for place, heading in enumerate(params if columns is None else columns)}
    # Columns with a range get an axis with a scale in the parallel coordinates, others an axis of their values.
    share = plugin.RealInterval(0.0, 1.0)
    headings = [
        plugin.HParam(key, display_name=heading, domain=share if heading in RATIOS else None)
        for heading, key in order.items()
    ]
    metrics = [plugin.Metric(r.tag, group=r.folder, display_name=r.name) for r in results]
    assert writer.file_writer is not None
    writer.file_writer.add_summary(plugin.hparams_config_pb(headings, metrics))
    writer.file_writer.add_summary(
        plugin.hparams_pb({order[heading]: value for heading, value in params.items()}, trial_id=name)
    )
