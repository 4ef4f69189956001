"""Places of trials: a sweep of N trials has N places, each held by a trial and its retries.

Optuna numbers trials in the order of their creation, on any storage and for any number of workers. Every trial that is
no retry has a rank: the number of such trials before it, which no later event changes. The trial holds the place of its
rank. Two workers can therefore never hold the same place. A trial whose rank is N or higher is given up (`surplus`). A
retry holds the history of its place in its attributes from the moment of its creation. If two workers queue a retry for
the same trial, the retry with the lower number counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from optuna.trial import FrozenTrial, TrialState

MOST_ATTEMPTS = 4
"""Number of attempts, all with dead workers, after which a trial is given up."""

_HISTORY, _FIRST = "retry_history", "failed_trial"
"""Names of attributes, the same as in Optuna's own callback and dashboard."""


@dataclass(frozen=True)
class Place:
    """One of the requested trials.

    Attributes:
        rank: from 0.
        chain: the trial that holds the place, and its retries in their order.
    """

    rank: int
    chain: tuple[FrozenTrial, ...]

    @property
    def last(self) -> FrozenTrial:
        """The trial of the chain that counts."""
        return self.chain[-1]

    @property
    def done(self) -> bool:
        """Whether the place needs no more work: measured, pruned, failed for its own reason, or given up."""
        state = self.last.state
        if state == TrialState.FAIL:
            return why_failed(self.last) is not None
        return state in (TrialState.COMPLETE, TrialState.PRUNED)

    def is_lost(self, now: datetime, grace: timedelta) -> bool:
        """Whether the worker died, and the worker that should queue a retry died, too."""
        last = self.last
        if self.done:
            return False
        if last.state == TrialState.FAIL:
            return last.datetime_complete is None or now - last.datetime_complete > grace
        return False

    def never_began(self, now: datetime, grace: timedelta) -> bool:
        """Whether the worker died before its first heartbeat."""
        last = self.last
        began = last.datetime_start
        waits = last.state == TrialState.RUNNING and "worker" not in last.user_attrs
        return waits and began is not None and now - began > grace


def history(trial: FrozenTrial) -> tuple[int, ...]:
    """Numbers of the trials that a retry replaces, the first one first; empty for other trials."""
    return tuple(trial.system_attrs.get(_HISTORY, ()))


def attempts(trial: FrozenTrial) -> int:
    """Number of attempts at a place, including this trial."""
    return len(history(trial)) + 1


def next_history(trial: FrozenTrial) -> dict[str, Any]:
    """System attributes for a retry of a trial."""
    past = [*history(trial), trial.number]
    return {_HISTORY: past, _FIRST: past[0]}


def why_failed(trial: FrozenTrial) -> str | None:
    """Reason why a failed trial is not repeated; None if it is repeated."""
    if "why" in trial.user_attrs:
        return str(trial.user_attrs["why"])
    return f"given up: its worker ended {attempts(trial)} times" if attempts(trial) >= MOST_ATTEMPTS else None


def places(trials: Sequence[FrozenTrial], wanted: int) -> list[Place]:
    """Return the places that are taken, at most as many as wanted, by rank."""
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
    """Whether its worker gave up the trial."""
    return bool(trial.user_attrs.get("surplus"))


def find_place(trials: Sequence[FrozenTrial], number: int, wanted: int) -> Place | None:
    """Return the place that a trial holds; None if it holds none and must be given up."""
    for place in places(trials, wanted):
        if place.last.number == number:
            return place
    return None
