"""Trials as a study holds them, made by hand."""

from datetime import datetime
from typing import Any

from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from hvqcgic.sweep.objectives import parse_objectives

OBJECTIVES = parse_objectives(["bpp", "psnr_db"])


def trial(number: int, state: TrialState = TrialState.COMPLETE, **more: Any) -> FrozenTrial:
    """A trial; `history` makes it a retry, `values` are those of OBJECTIVES, everything else are user attributes."""
    history, values = more.pop("history", ()), more.pop("values", None)
    ended, began = (more.pop(name, datetime(2026, 1, 1)) for name in ("ended", "began"))
    if state == TrialState.COMPLETE and values is None:
        values = (0.1 * (number + 1), 20.0 + number)
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=state,
        value=None,
        values=values,
        datetime_start=began,
        datetime_complete=ended if state.is_finished() else None,
        params={"place": number / 100},
        distributions={"place": FloatDistribution(0, 1)},
        user_attrs=more,
        system_attrs={"retry_history": list(history), "failed_trial": history[0]} if history else {},
        intermediate_values={},
    )
