"""Measurement of one trial: pictures coded at one operating point, in a folder that all trials share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

import hvqcgic
from hvqcgic.bitstream import CELL_PX, GRANULARITIES
from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.evaluation import (
    MetricOptions,
    Plan,
    PointMean,
    Source,
    collect,
    make_plan,
    means,
    parse_specs,
    prepare,
    run_jobs,
    stream_path,
    to_do,
)
from hvqcgic.files import STREAM_SUFFIX
from hvqcgic.models import Ratios
from hvqcgic.pictures import allow_large_pictures
from hvqcgic.sweep.knobs import codec_spec
from hvqcgic.sweep.objectives import metrics_of
from hvqcgic.sweep.request import Request
from hvqcgic.sweep.space import edges

CONFIG = "evaluate.yaml"
"""File in the folder of a trial; `python -m hvqcgic.evaluate --config` repeats the measurement."""

FILES_READ = 4
"""Number of pictures of a trial whose files are compared with static coding, as a training does."""


class NotMeasured(HvqcgicError):
    """A picture could not be coded at a trial's operating point."""


@dataclass(frozen=True)
class Coded:
    """Means over the files of the first FILES_READ pictures of a trial.

    Attributes:
        saving_percent: of the files against static arithmetic coding of the same indices; None for a model whose static
            files hold hyper-latents, which a file that was read no longer has.
        ratios: shares of the area in fine, medium and coarse cells.
    """

    saving_percent: float | None
    ratios: Ratios


@dataclass(frozen=True)
class Measuring:
    """The pictures of a sweep, ready to be coded.

    Attributes:
        request: the sweep.
        sources: its pictures.
    """

    request: Request
    sources: tuple[Source, ...]

    @property
    def folder(self) -> Path:
        """Folder of all trials' evaluations. Results at one operating point are shared by trials and later runs."""
        return self.request.folder / "evaluation"

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics of every trial: those among the objectives, and PSNR."""
        return tuple(dict.fromkeys([*metrics_of(self.request.objectives), "psnr_db"]))

    def plan(self, spec: str) -> Plan:
        """Plan the work for a codec specification.

        Raises:
            ConfigError: the specification does not parse, or a metric is not available here.
            ModelError: there is no such model.
        """
        options = MetricOptions(self.request.device)
        found = make_plan(self.folder, self.sources, parse_specs([spec]).codecs, self.metrics, options)
        for metric, why in found.metric_notes.items():
            raise ConfigError(f"objective {metric} cannot be measured here: {why}")
        return found

    def measure(self, spec: str, moved: Callable[[str], None]) -> PointMean:
        """Measure the means over the pictures.

        Args:
            spec: codec and point.
            moved: called with a short status after each picture.
        Raises:
            NotMeasured: a picture could not be coded, or lacks a metric.
            HvqcgicError: as in `plan`, or the folder cannot be written.
        """
        plan = self.plan(spec)
        run_jobs(to_do(plan), self.request.jobs, done=lambda label: moved(f"coded {label.partition(' ')[0]}"))
        outcome = collect(plan)
        if failed := [row for row in outcome.rows if not row.ok]:
            raise NotMeasured(f"{failed[0].picture}: {failed[0].status}")
        for metric, why in outcome.metric_notes.items():
            raise NotMeasured(f"{metric}: {why}")
        return means(outcome.rows)[0]

    def coded(self, spec: str, model: str) -> Coded:
        """Read files of a measured trial.

        Args:
            spec: codec and point.
            model: a bundled model, or a file.
        """
        codec = hvqcgic.load(model, self.request.device)
        size, static, shares = 0, 0, list[NDArray[np.float64]]()
        for row in collect(self.plan(spec)).rows[:FILES_READ]:
            data = stream_path(self.folder, row, STREAM_SUFFIX).read_bytes()
            found = codec.read(data)
            size += len(data)
            if not codec.config.backbone.decoder_prior:
                static += len(codec.write(found, coding="static-arithmetic").data)
            areas = [found.masks[g].sum() * CELL_PX[g] ** 2 for g in reversed(GRANULARITIES)]
            shares.append(np.array(areas) / sum(areas))
        fine, medium, coarse = np.mean(shares, 0).tolist()
        return Coded(100 * (1 - size / static) if static else None, (fine, medium, coarse))

    def config(self, spec: str) -> bytes:
        """Options of `python -m hvqcgic.evaluate` that repeat the measurement, as YAML."""
        values: dict[str, Any] = {
            "pictures": [str(path) for path in self.request.pictures.values()],
            "codecs": [spec],
            "out": str(self.folder),
            "metrics": list(self.metrics),
            "device": self.request.device,
            "jobs": self.request.jobs,
            "report": False,
        }
        return yaml.safe_dump(values, sort_keys=False).encode()


def check_points(request: Request) -> None:
    """Open the codecs at both ends of the search space, and the metrics, before anything is written.

    Raises:
        ConfigError: a value is not allowed, or a metric is not available here.
        ModelError: there is no such model.
    """
    for knobs in edges(request.evaluate):
        Measuring(request, ()).plan(codec_spec(knobs))


def prepare_pictures(request: Request) -> Measuring:
    """Read the pictures once.

    Raises:
        ConfigError: a picture cannot be read.
        OutputError: the folder cannot be written.
    """
    allow_large_pictures()
    sources = tuple(prepare(request.folder / "evaluation", name, path) for name, path in request.pictures.items())
    for source in sources:
        if source.problem:
            raise ConfigError(source.problem)
    return Measuring(request, sources)
