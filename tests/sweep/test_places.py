"""Which trials count: ranks, retries, surplus."""

from datetime import datetime, timedelta

import pytest
from optuna.trial import FrozenTrial, TrialState

from hvqcgic.sweep.places import MOST_ATTEMPTS, attempts, find_place, next_history, places, why_failed
from tests.sweep.trials import trial

FAIL, RUNNING, WAITING = TrialState.FAIL, TrialState.RUNNING, TrialState.WAITING
NOW, GRACE = datetime(2026, 1, 1, 0, 1), timedelta(seconds=30)


def numbers(trials: list[FrozenTrial], wanted: int) -> list[tuple[int, ...]]:
    return [tuple(attempt.number for attempt in place.chain) for place in places(trials, wanted)]


def test_a_retry_holds_the_place_of_the_trial_it_stands_for() -> None:
    trials = [trial(0), trial(1, FAIL), trial(2), trial(3, FAIL, history=(1,)), trial(4, RUNNING, history=(1, 3))]
    assert numbers(trials, 5) == [(0,), (1, 3, 4), (2,)]
    assert [place.done for place in places(trials, 5)] == [True, False, True]


def test_no_more_places_are_taken_than_there_are() -> None:
    trials = [trial(0), trial(1, RUNNING), trial(2, RUNNING), trial(3, WAITING, history=(0,))]
    assert numbers(trials, 2) == [(0, 3), (1,)]
    assert find_place(trials, 2, 2) is None
    assert find_place(trials, 1, 2) is not None
    assert find_place(trials, 2, 3) is not None


def test_surplus_trials_leave_their_rank_to_later_ones() -> None:
    trials = [trial(0), trial(1, FAIL, surplus=True), trial(2, RUNNING)]
    assert numbers(trials, 2) == [(0,), (2,)]
    place = find_place(trials, 2, 2)
    assert place is not None
    assert place.rank == 1


def test_of_two_retries_of_one_trial_the_first_counts() -> None:
    trials = [trial(0, FAIL), trial(1, WAITING, history=(0,)), trial(2, RUNNING, history=(0,))]
    assert numbers(trials, 1) == [(0, 1)]
    assert find_place(trials, 2, 1) is None


def test_ranks_stay_whatever_becomes_of_the_trials_before() -> None:
    before = [trial(0, RUNNING), trial(1, RUNNING), trial(2, RUNNING)]
    after = [trial(0, FAIL), trial(1), trial(2, RUNNING), trial(3, WAITING, history=(0,))]
    ranks = [find_place(trials, 2, 9) for trials in (before, after)]
    assert [place.rank for place in ranks if place] == [2, 2]


def test_a_trial_that_failed_for_a_reason_is_done_and_one_whose_worker_died_is_not() -> None:
    assert places([trial(0, FAIL, why="no such code")], 1)[0].done
    assert not places([trial(0, FAIL)], 1)[0].done
    assert places([trial(0, TrialState.PRUNED)], 1)[0].done


def test_a_trial_is_given_up_after_some_attempts() -> None:
    last = trial(0, FAIL)
    for number in range(1, MOST_ATTEMPTS):
        assert why_failed(last) is None
        last = trial(number, FAIL, history=next_history(last)["retry_history"])
    assert attempts(last) == MOST_ATTEMPTS
    assert str(MOST_ATTEMPTS) in str(why_failed(last))


@pytest.mark.parametrize(("ago_s", "lost"), [(10, False), (40, True)])
def test_a_failed_trial_that_nobody_queued_again_is_found(ago_s: int, lost: bool) -> None:
    ended = NOW - timedelta(seconds=ago_s)
    assert places([trial(0, FAIL, ended=ended)], 1)[0].is_lost(NOW, GRACE) == lost
    assert not places([trial(0, FAIL, ended=ended, why="x")], 1)[0].is_lost(NOW, GRACE)
    queued = [trial(0, FAIL, ended=ended), trial(1, WAITING, history=(0,))]
    assert not places(queued, 1)[0].is_lost(NOW, GRACE)


@pytest.mark.parametrize(("ago_s", "dead"), [(10, False), (40, True)])
def test_a_worker_that_died_before_its_first_heartbeat_is_found(ago_s: int, dead: bool) -> None:
    began = NOW - timedelta(seconds=ago_s)
    assert places([trial(0, RUNNING, began=began)], 1)[0].never_began(NOW, GRACE) == dead
    assert not places([trial(0, RUNNING, began=began, worker="a:1")], 1)[0].never_began(NOW, GRACE)
