"""The options of a run, parsed and checked before any work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jsonargparse import Namespace

from hvqcgic.cli import complain
from hvqcgic.errors import ConfigError
from hvqcgic.evaluation.curves import curve_names
from hvqcgic.evaluation.metrics import METRICS, MetricOptions
from hvqcgic.evaluation.metrics.sets import SET_METRICS
from hvqcgic.evaluation.pictures import picture_names
from hvqcgic.evaluation.published import read_published
from hvqcgic.evaluation.report import EMBED_ALL, Embed
from hvqcgic.evaluation.spec import Specs, parse_specs
from hvqcgic.extras import check_installed
from hvqcgic.files import PICTURE_SUFFIXES, find_inputs

_FOR_REPORTS = ("bjontegaard", "matplotlib", "tensorboard")
"""Modules that the report needs after all measurements."""


@dataclass(frozen=True)
class Request:
    """A requested run.

    Attributes:
        folder: for all output.
        specs: codecs and published curves.
        pictures: path of each picture by its name in the run.
        metrics: metrics of pictures.
        set_metrics: metrics of whole sets of pictures.
        metric_options: options of the metrics; the codecs use the same device.
        anchor: reference codec of the BD-rates; None for the first codec.
        embed: pictures to embed in the report.
    """

    folder: Path
    specs: Specs
    pictures: dict[str, Path]
    metrics: tuple[str, ...]
    set_metrics: tuple[str, ...]
    metric_options: MetricOptions
    anchor: str | None
    embed: Embed


def read_request(options: Namespace) -> Request:
    """Check the options. A folder without pictures is reported at once.

    Raises:
        ConfigError: a codec, point, metric, anchor or embedded picture is unknown, a file is missing or cannot be read,
            or there are no pictures.
        MissingPackage: the report needs a package that is not installed.
    """
    if options.report:
        check_installed("python -m hvqcgic.evaluate", *_FOR_REPORTS, extra="evaluate")
    specs = parse_specs(options.codecs)
    metrics, set_metrics = _chosen_metrics(options.metrics)
    _check_anchor(options.anchor, specs)
    pictures = _find_pictures(options.pictures)
    return Request(
        folder=Path(options.out),
        specs=specs,
        pictures=pictures,
        metrics=metrics,
        set_metrics=set_metrics,
        metric_options=MetricOptions(options.device, _niqe_parameters(options.niqe_parameters)),
        anchor=options.anchor,
        embed=_embedded(options.embed or [], pictures),
    )


def _chosen_metrics(names: list[str] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split names into metrics of pictures and metrics of sets; without names, return all metrics."""
    known = [*METRICS, *SET_METRICS]
    wanted = names or known
    if unknown := [name for name in wanted if name not in known]:
        raise ConfigError(f"unknown metric {unknown[0]!r}: known are {', '.join(known)}")
    return tuple(name for name in METRICS if name in wanted), tuple(name for name in SET_METRICS if name in wanted)


def _check_anchor(anchor: str | None, specs: Specs) -> None:
    published = [read_published(path) for path in specs.published]
    names = curve_names([spec.label for spec in specs.codecs], published)
    if anchor is not None and anchor not in names:
        raise ConfigError(f"--anchor {anchor!r} is not among the codecs of this run: use one of {', '.join(names)}")


def _find_pictures(arguments: Sequence[str]) -> dict[str, Path]:
    inputs = find_inputs(arguments, PICTURE_SUFFIXES, "pictures")
    for problem in inputs.problems:
        complain(problem)
    if not inputs.paths:
        raise ConfigError("no pictures to evaluate; name pictures, or folders of pictures")
    return picture_names(inputs.paths)


def _niqe_parameters(file: str | None) -> Path | None:
    if file is None:
        return None
    if not Path(file).is_file():
        raise ConfigError(f"--niqe_parameters {file}: there is no such file")
    return Path(file)


def _embedded(names: list[str], pictures: Iterable[str]) -> Embed:
    if names == [EMBED_ALL]:
        return EMBED_ALL
    if unknown := [name for name in names if name not in pictures]:
        known = ", ".join(pictures)
        raise ConfigError(f"--embed {unknown[0]!r}: there is no such picture in this run; use {EMBED_ALL}, or {known}")
    return names
