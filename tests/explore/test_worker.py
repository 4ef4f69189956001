"""Work goes one at a time and in order; what is newest counts."""

import threading
from collections.abc import Callable

import pytest

from hvqcgic.explore.worker import Check, Replaced, Worker

SECONDS = 60


class Held:
    """Work that waits in its middle until it is let go, then checks whether it is still needed."""

    def __init__(self) -> None:
        self.started, self.go = threading.Event(), threading.Event()

    def __call__(self, check: Check) -> str:
        self.started.set()
        assert self.go.wait(SECONDS)
        check()
        return "held"


def said(text: str) -> Callable[[Check], str]:
    return lambda check: text


@pytest.fixture
def worker() -> Worker:
    return Worker("test")


def test_newer_work_replaces_what_waits_and_lets_its_own_kind_end(worker: Worker) -> None:
    held = Held()
    first = worker.submit(held)
    assert held.started.wait(SECONDS)
    waiting = [worker.submit(said("old")), worker.submit(said("detail"), newest=False)]
    last = worker.submit(said("new"))
    for each in waiting[:1]:
        with pytest.raises(Replaced):
            each.result(SECONDS)
    with pytest.raises(Replaced):
        waiting[1].result(SECONDS)
    held.go.set()
    assert (first.result(SECONDS), last.result(SECONDS)) == ("held", "new")


def test_a_detail_in_progress_ends_at_its_next_check(worker: Worker) -> None:
    held = Held()
    detail = worker.submit(held, newest=False)
    assert held.started.wait(SECONDS)
    newest = worker.submit(said("new"))
    held.go.set()
    with pytest.raises(Replaced):
        detail.result(SECONDS)
    assert newest.result(SECONDS) == "new"


def test_details_wait_their_turn_and_errors_stay_theirs(worker: Worker) -> None:
    def fails(check: Check) -> str:
        raise ValueError("no")

    done: list[str] = []
    found = [worker.submit(lambda check, text=text: done.append(text), newest=False) for text in "abc"]
    failed = worker.submit(fails, newest=False)
    with pytest.raises(ValueError, match="no"):
        failed.result(SECONDS)
    assert done == ["a", "b", "c"]
    assert all(each.done() for each in found)


def test_at_the_end_everyone_is_told_at_once(worker: Worker) -> None:
    held = Held()
    first = worker.submit(held)
    assert held.started.wait(SECONDS)
    waiting = worker.submit(said("x"), newest=False)
    worker.end(KeyError("ended"))
    for each in (first, waiting, worker.submit(said("y"))):
        with pytest.raises(KeyError, match="ended"):
            each.result(SECONDS)
    assert not worker.wait(0.01)
    held.go.set()
    assert worker.wait(SECONDS)
