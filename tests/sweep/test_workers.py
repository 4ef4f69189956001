"""Several workers on one study, one of them killed in the middle of a trial: none is lost, none counted twice."""

import json
import time
from collections import Counter
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from hvqcgic.sweep.places import is_surplus, places
from hvqcgic.sweep.storage import opened_storage
from tests.processes import Program, start_module

TRIALS = 4
SECONDS = 900
HEARTBEAT_S = 2


def start(config: Path, *arguments: str) -> Program:
    """A worker, as on a machine of its own."""
    options = ("--json", "--trials", TRIALS, "--heartbeat", HEARTBEAT_S)
    return start_module("hvqcgic.sweep", "--config", config, *options, *arguments)


def read_trials(url: str) -> list[FrozenTrial]:
    """All trials of the study; none before it is there."""
    with opened_storage(url, 60) as storage:
        try:
            return optuna.load_study(study_name="sweep", storage=storage).trials
        except KeyError:
            return []


def kill_in_a_training(workers: list[Program], url: str) -> FrozenTrial:
    """Kills (SIGKILL) the first worker that trains, and takes it out of the list; returns the trial that it leaves."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        trials = read_trials(url)
        for worker in workers:
            assert worker.poll() is None, worker.communicate()
            for trial in trials:
                if is_training(trial, worker.pid):
                    # A training takes a second or more, and this one has only just begun.
                    worker.kill()
                    worker.communicate()
                    workers.remove(worker)
                    return trial
        time.sleep(0.02)
    raise TimeoutError("no worker came to a training")


def is_training(trial: FrozenTrial, process: int) -> bool:
    mine = str(trial.user_attrs.get("worker", "")).endswith(f":{process}")
    return mine and trial.state == TrialState.RUNNING and trial.user_attrs.get("kind") == "train"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_two_workers_one_killed(kind: str, config: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path}/study.db" if kind == "sqlite" else request.getfixturevalue("postgres")
    workers = [start(config, "--storage", url) for _ in range(2)]
    try:
        left = kill_in_a_training(workers, url)
        out, err = workers[0].communicate(timeout=SECONDS)
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert (workers[0].returncode, err) == (0, "")
    trials = read_trials(url)
    found = places(trials, TRIALS)
    assert len(found) == TRIALS
    assert [place.last.state for place in found] == [TrialState.COMPLETE] * TRIALS
    # Every place was measured once: the killed worker's in its second attempt, with the parameters of the first.
    assert Counter(trial.state for trial in trials if not is_surplus(trial)) == {
        TrialState.COMPLETE: TRIALS,
        TrialState.FAIL: 1,
    }
    again = next(place for place in found if len(place.chain) == 2)
    assert again.chain[0].number == left.number
    assert left.params.items() <= again.last.params.items()
    assert sum(place.last.user_attrs["kind"] == "train" for place in found) == int(TRIALS * 0.34)
    outcome = json.loads(out)
    assert outcome["trials"] == {"measured": TRIALS, "pruned": 0, "failed": {}, "retried": 1}
