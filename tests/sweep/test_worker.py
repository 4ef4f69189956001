"""What a worker does beside its trials: interruptions, trials of others, and its own that another took over."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import optuna
import pytest
from optuna.trial import TrialState

from hvqcgic.sweep.places import places
from hvqcgic.sweep.sampler import SeededByTrial
from hvqcgic.sweep.storage import Storage, opened_storage, retry
from hvqcgic.sweep.study import open_study
from hvqcgic.sweep.trial import Failed, Surplus, TrialRun
from hvqcgic.sweep.worker import Worker
from tests.sweep.trials import OBJECTIVES

pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage")

WANTED = 3


class Bench:
    """A study and a worker whose trials cost nothing: a function of a trial stands in for coding and training."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.study = open_study(storage, "sweep", OBJECTIVES, {}, sampler=SeededByTrial(0, 5))
        self.number = -1
        self.request = SimpleNamespace(trials=WANTED, heartbeat_s=1)
        self.act: Callable[[optuna.Trial], Any] = lambda trial: None
        self.done: list[int] = []

    def __call__(self, trial: optuna.Trial) -> tuple[float, float]:
        self.number = trial.number
        self.storage.record_heartbeat(trial._trial_id)
        trial.set_user_attr("worker", "here:1")
        place = trial.suggest_float("place", 0, 1)
        self.act(trial)
        self.done.append(trial.number)
        return place, place

    def say(self, words: str) -> None:
        """Nobody listens."""

    def work(self) -> None:
        Worker(self.study, self.storage, cast(TrialRun, self), told=lambda found: None).work()

    def states(self) -> list[list[TrialState]]:
        return [[trial.state for trial in place.chain] for place in places(self.study.trials, WANTED)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened_storage(f"sqlite:///{tmp_path}/study.db", 1) as storage:
        yield Bench(storage)


COMPLETE, FAIL = TrialState.COMPLETE, TrialState.FAIL


def once(number: int, act: Callable[[optuna.Trial], Any]) -> Callable[[optuna.Trial], Any]:
    """Acts in the trial of a number."""
    return lambda trial: act(trial) if trial.number == number else None


def test_an_interrupted_trial_is_queued_at_once_and_done_by_the_next_call(bench: Bench) -> None:
    def interrupt(trial: optuna.Trial) -> None:
        raise KeyboardInterrupt

    bench.act = once(1, interrupt)
    with pytest.raises(KeyboardInterrupt):
        bench.work()
    assert bench.states() == [[COMPLETE], [FAIL, TrialState.WAITING]]
    parameters = bench.study.trials[1].params
    bench.work()
    assert bench.states() == [[COMPLETE], [FAIL, COMPLETE], [COMPLETE]]
    assert bench.study.trials[2].params == parameters


def test_a_trial_that_another_worker_took_over_counts_once(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    def be_taken_for_dead(trial: optuna.Trial) -> None:
        bench.storage.set_trial_state_values(trial._trial_id, FAIL)
        retry(bench.study, bench.study.trials[trial.number])

    bench.act = once(1, be_taken_for_dead)
    bench.work()
    assert bench.states() == [[COMPLETE], [FAIL, COMPLETE], [COMPLETE]]
    assert bench.done == [0, 1, 2, 3]
    assert "trial 1: this worker was silent" in capsys.readouterr().err


def test_trials_that_fail_or_are_let_go_of_do_not_stop_it(bench: Bench) -> None:
    def fail(trial: optuna.Trial) -> None:
        trial.set_user_attr("why", "so")
        raise Failed

    def let_go(trial: optuna.Trial) -> None:
        trial.set_user_attr("surplus", True)
        raise Surplus

    bench.act = lambda trial: (fail if trial.number == 0 else let_go)(trial) if trial.number < 2 else None
    bench.work()
    assert bench.states() == [[FAIL], [COMPLETE], [COMPLETE]]
    assert len(bench.study.trials) == 4


def test_what_is_no_fault_of_the_trial_ends_the_worker_and_leaves_it_to_be_done(bench: Bench) -> None:
    def break_down(trial: optuna.Trial) -> None:
        raise RuntimeError("out of memory")

    bench.act = once(0, break_down)
    with pytest.raises(RuntimeError, match="out of memory"):
        bench.work()
    # Another worker finds it after some missing heartbeats.
    bench.work()
    assert bench.states() == [[FAIL, COMPLETE], [COMPLETE], [COMPLETE]]


def test_a_trial_whose_worker_never_began_is_done_by_another(bench: Bench) -> None:
    bench.study.ask()
    bench.work()
    assert bench.states() == [[FAIL, COMPLETE], [COMPLETE], [COMPLETE]]
