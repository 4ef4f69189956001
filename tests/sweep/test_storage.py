"""Storages: locks, heartbeats, and what is said of those that cannot be reached."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import pytest
from optuna.storages import fail_stale_trials
from optuna.trial import TrialState

from hvqcgic.errors import ConfigError
from hvqcgic.sweep.places import MOST_ATTEMPTS, places
from hvqcgic.sweep.sampler import SeededByTrial
from hvqcgic.sweep.storage import Storage, open_storage, opened_storage, retry
from hvqcgic.sweep.study import claim_folder, open_study
from tests.sweep.conftest import free_port
from tests.sweep.trials import OBJECTIVES

Open = Callable[..., Storage]

# Trials are asked for one by one here, to look at a worker from outside.
pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage")

SETTINGS = {"objectives": ["bpp", "psnr_db"], "evaluate": {"eta": 0.1}}


def study_in(storage: Storage, name: str = "sweep") -> optuna.Study:
    return open_study(storage, name, OBJECTIVES, SETTINGS, sampler=SeededByTrial(0, 5))


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens storages that are closed at the end of the test."""
    with ExitStack() as stack:
        yield lambda url, heartbeat_s=60: stack.enter_context(opened_storage(url, heartbeat_s))


@pytest.fixture(params=["sqlite", "journal", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return request.getfixturevalue("postgres")
    return {"sqlite": f"sqlite:///{tmp_path}/study.db", "journal": f"journal:{tmp_path}/study.log"}[request.param]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Of a study: the server keeps those of other tests."""
    return request.node.name


def test_a_trial_without_heartbeats_is_queued_again_with_its_parameters(opened: Open, url: str, name: str) -> None:
    storage = opened(url, 1)
    study = study_in(storage, name)
    trial = study.ask()
    storage.record_heartbeat(trial._trial_id)
    trial.suggest_float("place", 0, 1)
    for key in ("kind", "worker"):
        trial.set_user_attr(key, "train")
    until = time.monotonic() + 30
    while study.trials[0].state == TrialState.RUNNING and time.monotonic() < until:
        time.sleep(0.3)
        fail_stale_trials(study)
    first, again = study.trials
    assert (first.state, again.state) == (TrialState.FAIL, TrialState.WAITING)
    assert again.params == first.params
    assert again.user_attrs == {"kind": "train"}
    assert [place.last.number for place in places(study.trials, 5)] == [1]
    assert study.ask().number == 1


def test_a_worker_that_lives_keeps_its_trial(opened: Open, url: str, name: str) -> None:
    storage = opened(url)
    study = study_in(storage, name)
    storage.record_heartbeat(study.ask()._trial_id)
    fail_stale_trials(study)
    assert [trial.state for trial in study.trials] == [TrialState.RUNNING]


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """All at once."""
    gate = threading.Barrier(count)

    def wait_and_work(number: int) -> None:
        gate.wait()
        work(number)

    threads = [threading.Thread(target=wait_and_work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_queued_trial_is_taken_once_and_numbers_are_given_once(opened: Open, url: str, name: str) -> None:
    studies = [study_in(opened(url), name) for _ in range(4)]
    for _ in range(3):
        studies[0].add_trial(optuna.create_trial(state=TrialState.WAITING))
    asked: list[int] = []
    in_threads(4, lambda number: asked.extend(studies[number].ask().number for _ in range(3)))
    assert sorted(asked) == list(range(12))


def test_workers_that_start_at_once_make_one_study(opened: Open, url: str, name: str) -> None:
    made: list[str] = []
    in_threads(3, lambda number: made.append(study_in(opened(url), name).user_attrs["token"]))
    assert len(made) == 3
    assert len(set(made)) == 1


def test_a_trial_is_not_retried_for_ever() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    for number in range(MOST_ATTEMPTS):
        assert study.ask().number == number
        study.tell(number, state=TrialState.FAIL)
        retry(study, study.trials[number])
    assert len(study.trials) == MOST_ATTEMPTS
    assert places(study.trials, 1)[0].done


def test_a_study_of_other_settings_is_refused_with_the_first_that_differs(opened: Open, url: str, name: str) -> None:
    study_in(opened(url), name)
    for settings, said in (
        ({**SETTINGS, "objectives": ["bpp", "dists"]}, "has objectives bpp, psnr_db, this sweep has bpp, dists"),
        ({**SETTINGS, "evaluate": {"eta": 0.2}}, "has evaluate"),
    ):
        with pytest.raises(ConfigError, match=said):
            open_study(opened(url), name, OBJECTIVES, settings, sampler=SeededByTrial(0, 5))


def test_a_folder_holds_the_trials_of_one_study(opened: Open, tmp_path: Path) -> None:
    storage = opened(f"sqlite:///{tmp_path}/study.db")
    claim_folder(study_in(storage, "one"), tmp_path / "out")
    claim_folder(study_in(storage, "one"), tmp_path / "out")
    with pytest.raises(ConfigError, match=r"another study \(one\)"):
        claim_folder(study_in(storage, "two"), tmp_path / "out")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("sqlite:////nowhere/at/all/study.db", "unable to open database file"),
        ("sqlite://", "kept nowhere"),
        ("journal:/nowhere/at/all/study.log", "there is no such file"),
        ("nothing", "nothing"),
        ("nosuchbase://a/b", "nosuchbase"),
        ("postgresql://me:secret@127.0.0.1:{port}/x", "refused"),
    ],
)
def test_storages_that_cannot_be_reached_are_one_line_without_password(address: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_storage(address.format(port=free_port()), 60)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.log").write_text("This is no journal.\nNor is this.\n")
    with pytest.raises(ConfigError, match="cannot be reached"):
        open_storage(f"journal:{tmp_path}/text.log", 60)


def test_trials_are_drawn_from_seed_and_number() -> None:
    def drawn(seed: int, numbers: int) -> list[float]:
        study = optuna.create_study(directions=["minimize", "minimize"], sampler=SeededByTrial(seed, 3))
        for _ in range(numbers):
            trial = study.ask()
            place = trial.suggest_float("place", 0, 1)
            study.tell(trial, (place, (1 - place) ** 2))
        return [trial.params["place"] for trial in study.trials]

    assert drawn(1, 8) == drawn(1, 8)
    assert drawn(1, 2) != drawn(2, 2)
    assert len(set(drawn(1, 8))) == 8


def test_the_clock_of_lost_trials_is_the_storages(opened: Open, url: str, name: str) -> None:
    study = study_in(opened(url), name)
    study.tell(study.ask(), state=TrialState.FAIL)
    place = places(study.trials, 1)[0]
    assert not place.is_lost(datetime.now(), timedelta(seconds=30))
    assert place.is_lost(datetime.now() + timedelta(seconds=60), timedelta(seconds=30))
