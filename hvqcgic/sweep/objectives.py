"""Objectives of a sweep: the bit rate, any metric of the evaluator, or times."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hvqcgic.errors import ConfigError
from hvqcgic.evaluation import METRICS, PointMean, lower_is_better
from hvqcgic.pages import metric_label

PLAIN = {"bpp": "bits per pixel", "encode_s": "seconds to encode", "decode_s": "seconds to decode"}
"""Objectives that are not metrics, with their labels; lower is better for all of them."""

LEAST = 2


@dataclass(frozen=True)
class Objective:
    """One measured value of an operating point, to minimise or maximise.

    Attributes:
        name: "bpp", "encode_s", "decode_s" or a metric of the evaluator.
        minimised: whether lower is better.
    """

    name: str
    minimised: bool

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """Optuna's name of the direction."""
        return "minimize" if self.minimised else "maximize"

    @property
    def label(self) -> str:
        """Label for people."""
        return PLAIN.get(self.name) or metric_label(self.name)

    def is_better(self, value: float, other: float) -> bool:
        """Whether a value is better than another value."""
        return value < other if self.minimised else value > other


def parse_objectives(names: Sequence[str]) -> tuple[Objective, ...]:
    """Parse the names of objectives.

    Raises:
        ConfigError: there are fewer than two, one is named twice, or one is unknown.
    """
    if len(names) < LEAST or len(set(names)) < len(names):
        raise ConfigError(f"objectives {', '.join(names) or 'none'}: name {LEAST} different ones or more")
    for name in names:
        if name not in PLAIN and name not in METRICS:
            known = [*PLAIN, *METRICS]
            close = difflib.get_close_matches(name, known, n=1)
            guess = f" (did you mean {close[0]}?)" if close else ""
            raise ConfigError(f"objective {name!r} is unknown{guess}: known are {', '.join(known)}")
    return tuple(Objective(name, name in PLAIN or lower_is_better(name)) for name in names)


def metrics_of(objectives: Iterable[Objective]) -> tuple[str, ...]:
    """Names of the metrics among the objectives."""
    return tuple(objective.name for objective in objectives if objective.name not in PLAIN)


def numbers_of(point: PointMean) -> dict[str, float]:
    """All measured values, by the names of objectives."""
    return {name: float(getattr(point, name)) for name in PLAIN} | point.metrics


def headings(objectives: Sequence[Objective]) -> dict[str, str]:
    """Measured values that tables of trials show, by their names: rate, saving, and qualities."""
    found = {"bpp": PLAIN["bpp"], "saving_percent": "saving, %"}
    found |= {objective.name: objective.label for objective in objectives}
    return found | {"psnr_db": metric_label("psnr_db")}


def dominates(mine: Sequence[float], other: Sequence[float], objectives: Sequence[Objective]) -> bool:
    """Whether values are better than others in every objective."""
    return all(o.is_better(a, b) for o, a, b in zip(objectives, mine, other, strict=True))


def validation_names(objectives: Sequence[Objective], perceptual: str) -> dict[str, str] | None:
    """Name of the logged validation value of each objective, by the objective's name.

    Args:
        objectives: of the sweep.
        perceptual: feature network of the training's LPIPS, or "none".
    Returns:
        None if validation does not measure all of them.
    """
    logged: Mapping[str, str] = {
        "bpp": "val/adaptive_bpp",
        "psnr_db": "val/psnr_db",
        f"lpips_{perceptual}": "val/lpips",
    }
    names = {objective.name: logged.get(objective.name, "") for objective in objectives}
    return names if all(names.values()) else None
