"""Outcome of a sweep: the Pareto front, the importance of each parameter, and the named operating points."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from hvqcgic.sweep.objectives import Objective
from hvqcgic.sweep.options import BestPoint
from hvqcgic.sweep.places import Place, why_failed
from hvqcgic.sweep.request import Request
from hvqcgic.sweep.space import swept

LEAST_TRIALS = 5
"""Least number of complete trials for importances."""

BOTH = "front"
"""Name of the objective "on the Pareto front", that is, all objectives together."""


@dataclass(frozen=True)
class Found:
    """A measured trial.

    Attributes:
        number: of the trial in the study.
        kind: "evaluate" or "train".
        values: of the objectives, in their order.
        params: searched parameters, by name.
        spec: codec and point, as a specification of the evaluator.
        model: bundled model, or file.
        folder: of the trial, on the machine of its worker.
        seconds: duration of the trial.
        numbers: all measured values, by name.
    """

    number: int
    kind: str
    values: tuple[float, ...]
    params: dict[str, Any]
    spec: str
    model: str
    folder: str
    seconds: float
    numbers: dict[str, float]


@dataclass(frozen=True)
class Importance:
    """Importance of the parameters among the trials of one kind.

    Attributes:
        kind: of the trials.
        trials: number of trials.
        objective: its name, or BOTH.
        shares: by parameter, sum 1, the largest first.
    """

    kind: str
    trials: int
    objective: str
    shares: dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """Outcome of a sweep.

    Attributes:
        objectives: of the sweep.
        trials: measured trials, in the order of their numbers.
        front: trials that no other trial dominates, sorted by the first objective.
        pruned: number of trainings that were ended early.
        failed: reasons of failed trials, by their numbers.
        retried: number of attempts whose worker died or was interrupted.
        importances: for each kind of trial and objective.
        best: trials by the names of the operating points.
    """

    objectives: tuple[Objective, ...]
    trials: tuple[Found, ...]
    front: tuple[Found, ...]
    pruned: int
    failed: dict[int, str]
    retried: int
    importances: tuple[Importance, ...]
    best: dict[str, Found]


def collect(study: optuna.Study, found: Sequence[Place], request: Request) -> Outcome:
    """Collect the outcome of a study.

    Args:
        study: of the sweep.
        found: its places.
        request: names objectives and best points.
    """
    last = [place.last for place in found]
    trials = tuple(_found(trial) for trial in last if trial.state == TrialState.COMPLETE)
    return Outcome(
        objectives=request.objectives,
        trials=trials,
        front=pareto_front(trials, request.objectives),
        pruned=sum(trial.state == TrialState.PRUNED for trial in last),
        failed={trial.number: str(why_failed(trial)) for trial in last if trial.state == TrialState.FAIL},
        retried=sum(len(place.chain) - 1 for place in found),
        importances=_importances(study, last, request),
        best={name: choose(point, trials, request.objectives) for name, point in request.best.items() if trials},
    )


def pareto_front(trials: Sequence[Found], objectives: Sequence[Objective]) -> tuple[Found, ...]:
    """Return the trials that no other trial dominates, sorted by the first objective."""
    front = [trial for trial in trials if not any(_beats(other.values, trial.values, objectives) for other in trials)]
    return tuple(sorted(front, key=lambda trial: trial.values))


def choose(point: BestPoint, trials: Sequence[Found], objectives: Sequence[Objective]) -> Found:
    """Select the trial of a named operating point from at least one: the best near the value, else the nearest."""
    names = [objective.name for objective in objectives]
    at, best = names.index(point.at), names.index(point.best)
    near = [t for t in trials if abs(t.values[at] - point.value) <= point.within * abs(point.value)]
    if not near:
        return min(trials, key=lambda trial: abs(trial.values[at] - point.value))
    return min(near, key=lambda trial: trial.values[best] * (1 if objectives[best].minimised else -1))


def _beats(mine: Sequence[float], other: Sequence[float], objectives: Sequence[Objective]) -> bool:
    pairs = list(zip(objectives, mine, other, strict=True))
    return any(o.is_better(a, b) for o, a, b in pairs) and not any(o.is_better(b, a) for o, a, b in pairs)


def _found(trial: FrozenTrial) -> Found:
    noted = trial.user_attrs
    names = ("spec", "model", "folder", "seconds", "numbers")
    return Found(
        number=trial.number,
        kind=noted["kind"],
        values=tuple(trial.values),
        params=dict(trial.params),
        **{name: noted[name] for name in names},
    )


def _importances(study: optuna.Study, trials: Sequence[FrozenTrial], request: Request) -> tuple[Importance, ...]:
    """Compute importances for each kind separately, because the other kind lacks its parameters."""
    found: list[Importance] = []
    for kind in ("evaluate", "train"):
        alike = [t for t in trials if t.state == TrialState.COMPLETE and t.user_attrs["kind"] == kind]
        names = [*swept(request.evaluate), *(swept(request.train) if kind == "train" else ())]
        if len(alike) < LEAST_TRIALS or not names:
            continue
        part = optuna.create_study(directions=study.directions)
        part.add_trials(alike)
        for place, objective in [(None, BOTH), *enumerate(o.name for o in request.objectives)]:
            sign = 1 if place is None or request.objectives[place].minimised else -1
            shares = _shares(part, names, place, sign)
            found.append(Importance(kind, len(alike), objective, shares))
    return tuple(found)


def _shares(study: optuna.Study, names: list[str], place: int | None, sign: int) -> dict[str, float]:
    """PED-ANOVA: importance of each parameter for the better half in an objective, or for nearness to the front."""
    with warnings.catch_warnings():
        # PED-ANOVA warns that lower targets are better, which is intended.
        warnings.simplefilter("ignore", UserWarning)
        return get_param_importances(
            study,
            evaluator=PedAnovaImportanceEvaluator(target_quantile=0.5),
            params=names,
            target=None if place is None else lambda trial: sign * trial.values[place],
        )
