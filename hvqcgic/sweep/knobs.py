"""Encoder options of trials without training, and their form as a codec specification of the evaluator."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from hvqcgic.bitstream import MODES
from hvqcgic.errors import ConfigError
from hvqcgic.evaluation import parse_specs
from hvqcgic.rate_control import GRANULARITY_ORDERS, PATHS
from hvqcgic.sweep.space import Space, edges, values_of

POINTS = ("place", "fine", "ratios", "bpp", "lpips", "psnr")
"""Ways to set the rate of a trial: a place on the ratio path, single ratios, all three ratios, or a target."""

KNOBS = ("model", "coding", "granularity", "eta", "refine", "path", *POINTS, "medium")
"""All names that section `evaluate` may contain."""

WORDS = {"coding": MODES, "granularity": GRANULARITY_ORDERS, "path": tuple(PATHS)}
"""Encoder options with a fixed set of words, and these words."""


def check_knobs(space: Space) -> None:
    """Check the encoder options before any trial.

    Raises:
        ConfigError: an option is unknown, there is not exactly one rate, or a word is not allowed.
    """
    for name in space:
        if name not in KNOBS:
            close = difflib.get_close_matches(name, KNOBS, n=1)
            guess = f" (did you mean {close[0]}?)" if close else ""
            raise ConfigError(f"evaluate.{name} is unknown{guess}: known are {', '.join(KNOBS)}")
    for name, words in WORDS.items():
        for value in values_of(space[name]) if name in space else ():
            if value not in words:
                raise ConfigError(f"evaluate.{name} {value!r} is unknown; use {', '.join(words)}")
    points = [name for name in POINTS if name in space]
    if len(points) != 1 or ("medium" in space) != (points == ["fine"]):
        raise ConfigError(
            f"evaluate has {', '.join(points) or 'no rate'}: give one of {', '.join(POINTS)}; medium goes with fine"
        )
    for knobs in edges(space):
        parse_specs([codec_spec(knobs)])


def codec_spec(knobs: Mapping[str, Any], *, model: str | None = None) -> str:
    """Format the options as a codec specification, such as "hvqcgic:tiny+eta=0.1+binomial@path=0.5".

    Args:
        knobs: values by name.
        model: a trained model that replaces the option `model`; None for no replacement.
    """
    words = [model or str(knobs.get("model", "tiny"))]
    if "coding" in knobs:
        words.append(str(knobs["coding"]))
    if "granularity" in knobs:
        words.append(str(knobs["granularity"]))
    if "eta" in knobs:
        words.append(f"eta={_number(knobs['eta'], 5)}")
    if "refine" in knobs:
        words.append(f"refine={knobs['refine']}")
    if "path" in knobs:
        words.append(str(knobs["path"]))
    return f"hvqcgic:{'+'.join(words)}@{_point(knobs)}"


def _point(knobs: Mapping[str, Any]) -> str:
    if "place" in knobs:
        return f"path={_number(knobs['place'], 4)}"
    if "fine" in knobs:
        fine = round(float(knobs["fine"]), 4)
        medium = round((1 - fine) * float(knobs["medium"]), 4)
        return f"ratios={fine:g},{medium:g},{max(0.0, 1 - fine - medium):.4g}"
    if "ratios" in knobs:
        return "ratios=" + ",".join(f"{float(share):g}" for share in knobs["ratios"])
    name = next(name for name in POINTS if name in knobs)
    return f"{name}={_number(knobs[name], 4)}"


def _number(value: Any, digits: int) -> str:
    """Format a number with few digits for a label; words such as "auto" are unchanged."""
    return value if isinstance(value, str) else f"{round(float(value), digits):g}"
