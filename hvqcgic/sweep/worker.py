"""A worker: runs trials until the study has all of them, and queues trials of dead workers again."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from hvqcgic.cli import complain
from hvqcgic.errors import HvqcgicError
from hvqcgic.files import one_line
from hvqcgic.sweep.places import Place, is_surplus, places, why_failed
from hvqcgic.sweep.storage import GRACE, STORAGE_ERRORS, Storage, StorageLost, retry
from hvqcgic.sweep.trial import Failed, Surplus, TrialRun

_LONGEST_PAUSE_S = 5.0


class Worker:
    """One process of a sweep."""

    def __init__(
        self, study: optuna.Study, storage: Storage, run: TrialRun, *, told: Callable[[list[Place]], None]
    ) -> None:
        """Create a worker for a study.

        Args:
            study: of the sweep.
            storage: of the study.
            run: runs a trial.
            told: called with the places of the study whenever they may have changed.
        """
        self._study, self._storage, self._run, self._told = study, storage, run, told
        self._wanted = run.request.trials
        self._grace = timedelta(seconds=GRACE * run.request.heartbeat_s)

    def work(self) -> list[Place]:
        """Take part until all requested trials are done, by any worker; return their places.

        Raises:
            StorageLost: the storage cannot be reached any more.
            OutputError: the folder cannot be written.
            KeyboardInterrupt: the current trial is queued again.
        """
        try:
            while True:
                found = self._look()
                if len(found) < self._wanted or any(place.last.state == TrialState.WAITING for place in found):
                    self._take_one()
                elif all(place.done for place in found):
                    return found
                else:
                    # Other workers are busy; if one of them dies, this worker repeats its trial.
                    self._run.say("waits for trials of other workers")
                    time.sleep(min(self._run.request.heartbeat_s, _LONGEST_PAUSE_S))
        except HvqcgicError:
            raise
        except STORAGE_ERRORS as error:
            why = one_line([getattr(error, "orig", None) or error])
            raise StorageLost(f"the storage or the disk is lost: {why}; the same command goes on") from error

    def _look(self) -> list[Place]:
        """Queue trials of dead workers again; return the current places."""
        fail_stale_trials(self._study)
        found = places(self._study.get_trials(deepcopy=False), self._wanted)
        now = datetime.now()
        for place in found:
            if place.never_began(now, self._grace):
                self._give_up(place)
            elif place.is_lost(now, self._grace):
                retry(self._study, place.last)
        self._told(found)
        return found

    def _give_up(self, place: Place) -> None:
        try:
            self._storage.set_trial_state_values(place.last._trial_id, TrialState.FAIL)
        except UpdateFinishedTrialError:
            return
        retry(self._study, place.last)

    def _take_one(self) -> None:
        self._run.number = -1
        try:
            self._study.optimize(self._run, n_trials=1, catch=(Failed, Surplus))
        except KeyboardInterrupt:
            self._queue_again()
            raise
        except (UpdateFinishedTrialError, ValueError, AssertionError):
            # Optuna raises these for a report on a trial that has already ended; trials themselves raise none of them.
            mine = self._mine()
            if mine is None or mine.state != TrialState.FAIL:
                raise
            complain(f"trial {self._run.number}: this worker was silent for so long that another one took it over")

    def _queue_again(self) -> None:
        mine = self._mine()
        if mine is not None and mine.state == TrialState.FAIL and not is_surplus(mine) and why_failed(mine) is None:
            retry(self._study, mine)

    def _mine(self) -> FrozenTrial | None:
        """The current trial as the study has it; None if this worker has not started one."""
        trials = self._study.get_trials(deepcopy=False)
        return next((trial for trial in trials if trial.number == self._run.number), None)
