"""What a sweep found: the Pareto front, what each parameter is worth, and the operating points that were named."""

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
"""Complete trials below which nothing is said of importances."""

BOTH = "front"
"""Stands for all objectives together where an importance is for getting onto the Pareto front."""


@dataclass(frozen=True)
class Found:
    """A trial that was measured.

    Attributes:
        number: of the trial in the study.
        kind: "evaluate" or "train".
        values: of the objectives, in their order.
        params: that were swept, by name.
        spec: codec and point, as the evaluator spells them.
        model: bundled one, or file.
        folder: of the trial, on the machine of its worker.
        seconds: that it took.
        numbers: all that was measured, by name.
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
    """What a parameter is worth among the trials of one kind.

    Attributes:
        kind: of the trials.
        trials: how many there are.
        objective: its name, or BOTH.
        shares: by parameter, sum 1, the largest first.
    """

    kind: str
    trials: int
    objective: str
    shares: dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """All that a sweep found.

    Attributes:
        objectives: of it.
        trials: that were measured, in the order of their numbers.
        front: those of them that no other one beats, by the first objective.
        pruned: number of trainings that were ended early.
        failed: why trials failed, by their numbers.
        retried: attempts whose worker died or was interrupted.
        importances: of each kind of trial and objective.
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
    """What a study holds.

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
    """The trials to which no other one is better in some objective and as good in all, by the first objective."""
    front = [trial for trial in trials if not any(_beats(other.values, trial.values, objectives) for other in trials)]
    return tuple(sorted(front, key=lambda trial: trial.values))


def choose(point: BestPoint, trials: Sequence[Found], objectives: Sequence[Objective]) -> Found:
    """The trial for a named operating point, of one or more: the best of those near the value, or else the nearest."""
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
    """Of each kind apart, as trials of the other one lack its parameters."""
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
    """PED-ANOVA: what each parameter adds to being among the better half in an objective, or nearer to the front."""
    with warnings.catch_warnings():
        # That lower targets are better is meant so.
        warnings.simplefilter("ignore", UserWarning)
        return get_param_importances(
            study,
            evaluator=PedAnovaImportanceEvaluator(target_quantile=0.5),
            params=names,
            target=None if place is None else lambda trial: sign * trial.values[place],
        )
