"""Pruning rule: a training ends early if other trainings were better at the same step in every objective.

Optuna prunes only studies with one objective. Here each training records the objectives of every validation in the
study, where all workers see them. A training is pruned at a step if at least `dominated_by` other trainings were better
at the same step in all objectives. A training that trades one objective for another is never pruned, and one lucky
measurement of another trial is not enough.
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
    """Number of other trials that were better at a step in every objective.

    Trials whose worker died do not count; their retries do.
    """
    values = mine.user_attrs[CHECKS][str(step)]
    others = (
        trial.user_attrs.get(CHECKS, {}).get(str(step))
        for trial in trials
        if trial.number != mine.number and trial.state in _COUNTED
    )
    return sum(other is not None and dominates(other, values, objectives) for other in others)


def note_check(trial: optuna.Trial, step: int, values: Sequence[float]) -> None:
    """Record the objectives of a training at a step in the study."""
    trial.set_user_attr(CHECKS, trial.user_attrs.get(CHECKS, {}) | {str(step): list(values)})
