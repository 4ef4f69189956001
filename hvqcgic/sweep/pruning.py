"""When a training is ended early: other trainings of the sweep were better at the same step, in every objective.

Optuna prunes studies of one objective only. Here a training notes the objectives as its validation measures them, at
every validation and in the study, where all workers see them. It is pruned at a step where at least `dominated_by`
other trainings were better at that very step in all objectives at once. Whoever trades one objective for another is
never pruned; one lucky measurement of another trial is not enough.
"""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from hvqcgic.sweep.objectives import Objective, dominates

CHECKS = "checks"
"""User attribute of a trial: values of the objectives by step, in their order."""

_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


def better_at(step: int, mine: FrozenTrial, trials: Sequence[FrozenTrial], objectives: Sequence[Objective]) -> int:
    """How many other trials were better than one at a step, in every objective.

    Trials whose worker died do not count: those that took over from them do.
    """
    values = mine.user_attrs[CHECKS][str(step)]
    others = (
        trial.user_attrs.get(CHECKS, {}).get(str(step))
        for trial in trials
        if trial.number != mine.number and trial.state in _COUNTED
    )
    return sum(other is not None and dominates(other, values, objectives) for other in others)


def note_check(trial: optuna.Trial, step: int, values: Sequence[float]) -> None:
    """Note the objectives of a training at a step in the study."""
    trial.set_user_attr(CHECKS, trial.user_attrs.get(CHECKS, {}) | {str(step): list(values)})
