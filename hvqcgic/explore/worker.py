"""One thread that does the work of a page, one piece at a time; new requests replace those that wait."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hvqcgic.errors import HvqcgicError

Answer = TypeVar("Answer")
Check = Callable[[], None]
"""Raises `Replaced` where the work in progress is not needed any more."""


class Replaced(HvqcgicError):
    """A newer request came before this one was done."""


@dataclass
class _Task:
    work: Callable[[Check], Any]
    waits_its_turn: bool
    future: Future[Any] = field(default_factory=Future)


class Worker:
    """Runs pieces of work in a thread of its own, in order; at most one at a time."""

    def __init__(self, name: str) -> None:
        """Start the thread.

        Args:
            name: of the thread.
        """
        self._condition = threading.Condition()
        self._waiting: deque[_Task] = deque()
        self._running: _Task | None = None
        self._stale = False
        self._ended: Exception | None = None
        self._done = threading.Event()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, work: Callable[[Check], Answer], *, newest: bool = True) -> Future[Answer]:
        """Add a piece of work.

        Args:
            work: gets a `Check`, which it calls between its steps.
            newest: whether it makes everything else needless: what waits is dropped, and work in progress that is not
                itself of this kind ends at its next check. Otherwise it waits its turn.

        Returns:
            the result to come; `Replaced` if newer work comes first.
        """
        task = _Task(work, waits_its_turn=not newest)
        with self._condition:
            if self._ended:
                task.future.set_exception(self._ended)
                return task.future
            if newest:
                self._drop_waiting(Replaced("a newer request came first"))
                self._stale = self._running is not None and self._running.waits_its_turn
            self._waiting.append(task)
            self._condition.notify()
        return task.future

    def end(self, why: Exception) -> None:
        """Drop all work; what is in progress goes on in vain until its next check.

        Args:
            why: what everyone gets who waits for a result, or submits more.
        """
        with self._condition:
            self._ended, self._stale = why, True
            self._drop_waiting(why)
            if self._running:
                _settle(self._running.future, error=why)
            self._condition.notify()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the thread after `end`; return whether it has ended."""
        return self._done.wait(timeout_s)

    def _drop_waiting(self, why: Exception) -> None:
        while self._waiting:
            _settle(self._waiting.popleft().future, error=why)

    def _check(self) -> None:
        if self._stale:
            raise Replaced("a newer request came first")

    def _run(self) -> None:
        while (task := self._next()) is not None:
            try:
                _settle(task.future, task.work(self._check))
            except BaseException as error:
                _settle(task.future, error=error)
            # Waiting for the next task must not keep this one's pictures alive.
            del task
        self._done.set()

    def _next(self) -> _Task | None:
        with self._condition:
            self._running = None
            while not self._waiting and not self._ended:
                self._condition.wait()
            if self._ended:
                return None
            self._running, self._stale = self._waiting.popleft(), False
            return self._running


def _settle(future: Future[Any], result: object = None, error: BaseException | None = None) -> None:
    """Set the outcome of a future that has none; one that was given up keeps its own."""
    with contextlib.suppress(InvalidStateError):
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
