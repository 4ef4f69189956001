"""What a sweep makes small or large: the rate, any metric of the evaluator, times."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hvqcgic.errors import ConfigError
from hvqcgic.evaluation import METRICS, PointMean, lower_is_better, metric_label

PLAIN = {"bpp": "bits per pixel", "encode_s": "seconds to encode", "decode_s": "seconds to decode"}
"""Objectives that are no metrics, all better when lower, and how they are called."""

LEAST = 2


@dataclass(frozen=True)
class Objective:
    """One number of an operating point.

    Attributes:
        name: "bpp", "encode_s", "decode_s" or a metric of the evaluator.
        minimised: whether less is better.
    """

    name: str
    minimised: bool

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """In Optuna's words."""
        return "minimize" if self.minimised else "maximize"

    @property
    def label(self) -> str:
        """For people."""
        return PLAIN.get(self.name) or metric_label(self.name)

    def is_better(self, value: float, other: float) -> bool:
        """Whether a value is better than another one."""
        return value < other if self.minimised else value > other


def parse_objectives(names: Sequence[str]) -> tuple[Objective, ...]:
    """The objectives of these names.

    Raises:
        ConfigError: fewer than two, one named twice, or one that there is not.
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
    """Names of the metrics that the evaluator has to measure."""
    return tuple(objective.name for objective in objectives if objective.name not in PLAIN)


def numbers_of(point: PointMean) -> dict[str, float]:
    """Everything that was measured, by the names of objectives."""
    return {name: float(getattr(point, name)) for name in PLAIN} | point.metrics


def dominates(mine: Sequence[float], other: Sequence[float], objectives: Sequence[Objective]) -> bool:
    """Whether values are better than other ones in every objective."""
    return all(o.is_better(a, b) for o, a, b in zip(objectives, mine, other, strict=True))


def validation_names(objectives: Sequence[Objective], perceptual: str) -> dict[str, str] | None:
    """What a training's validation logs in place of each objective, by the objective's name.

    Args:
        objectives: of the sweep.
        perceptual: feature network of the training's LPIPS, or "none".
    Returns:
        None where validation does not measure all of them.
    """
    logged: Mapping[str, str] = {
        "bpp": "val/adaptive_bpp",
        "psnr_db": "val/psnr_db",
        f"lpips_{perceptual}": "val/lpips",
    }
    names = {objective.name: logged.get(objective.name, "") for objective in objectives}
    return names if all(names.values()) else None
