"""Which trials count: a sweep of N trials has N places, each held by a trial and by those that take over from it.

Optuna numbers trials in the order of their making, on any storage and for any number of workers. A place belongs to a
trial that is no retry; how many of those came before it is its rank, which no later event changes. So two workers can
never take the same place, nor more places than there are: whoever gets a trial of too high a rank lets go of it
(`surplus`). A retry has the history of its place in its attributes from the moment it exists; where two workers queue a
retry for the same trial, the one of the lower number counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from optuna.trial import FrozenTrial, TrialState

MOST_ATTEMPTS = 4
"""A trial whose workers died so often is given up."""

_HISTORY, _FIRST = "retry_history", "failed_trial"
"""As Optuna's own callback and its dashboard have them."""


@dataclass(frozen=True)
class Place:
    """One of the trials that were asked for.

    Attributes:
        rank: from 0.
        chain: the trial that has the place, and those that took over from it, in their order.
    """

    rank: int
    chain: tuple[FrozenTrial, ...]

    @property
    def last(self) -> FrozenTrial:
        """What counts of it."""
        return self.chain[-1]

    @property
    def done(self) -> bool:
        """Whether it needs no more work: measured, pruned, failed for a reason, or given up."""
        state = self.last.state
        if state == TrialState.FAIL:
            return why_failed(self.last) is not None
        return state in (TrialState.COMPLETE, TrialState.PRUNED)

    def is_lost(self, now: datetime, grace: timedelta) -> bool:
        """Whether its worker died, and so did the one that was to queue it again."""
        last = self.last
        if self.done:
            return False
        if last.state == TrialState.FAIL:
            return last.datetime_complete is None or now - last.datetime_complete > grace
        return False

    def never_began(self, now: datetime, grace: timedelta) -> bool:
        """Whether its worker died before its first heartbeat."""
        last = self.last
        began = last.datetime_start
        waits = last.state == TrialState.RUNNING and "worker" not in last.user_attrs
        return waits and began is not None and now - began > grace


def history(trial: FrozenTrial) -> tuple[int, ...]:
    """Numbers of the trials that a retry stands for, the first one first; empty of other trials."""
    return tuple(trial.system_attrs.get(_HISTORY, ()))


def attempts(trial: FrozenTrial) -> int:
    """How often a place was tried, this trial included."""
    return len(history(trial)) + 1


def next_history(trial: FrozenTrial) -> dict[str, Any]:
    """System attributes of the retry of a trial."""
    past = [*history(trial), trial.number]
    return {_HISTORY: past, _FIRST: past[0]}


def why_failed(trial: FrozenTrial) -> str | None:
    """Why a failed trial is not tried again; None where it is to be."""
    if "why" in trial.user_attrs:
        return str(trial.user_attrs["why"])
    return f"given up: its worker ended {attempts(trial)} times" if attempts(trial) >= MOST_ATTEMPTS else None


def places(trials: Sequence[FrozenTrial], wanted: int) -> list[Place]:
    """The places that are taken, at most as many as are wanted, by rank."""
    chains = {trial.number: [trial] for trial in trials if not history(trial) and not is_surplus(trial)}
    seen: set[tuple[int, ...]] = set()
    for trial in sorted(trials, key=lambda trial: trial.number):
        past = history(trial)
        if past and past not in seen and past[0] in chains:
            seen.add(past)
            chains[past[0]].append(trial)
    taken = sorted(chains.items())[:wanted]
    return [Place(rank, tuple(sorted(chain, key=attempts))) for rank, (_, chain) in enumerate(taken)]


def is_surplus(trial: FrozenTrial) -> bool:
    """Whether its worker let go of it."""
    return bool(trial.user_attrs.get("surplus"))


def find_place(trials: Sequence[FrozenTrial], number: int, wanted: int) -> Place | None:
    """The place that a trial holds; None where it holds none and is to be let go of."""
    for place in places(trials, wanted):
        if place.last.number == number:
            return place
    return None
