"""Worker processes for a batch: each has one file at a time, so that the file of a dead worker is known.

`concurrent.futures` would fail all files in progress when a process dies. Processes are spawned, not forked, because
PyTorch's threads do not survive a fork.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NoReturn

from hvqcgic.cli.attempt import Outcome, Work, attempt
from hvqcgic.cli.terminal import plain_warnings
from hvqcgic.errors import WorkerDied

GRACE_S = 3.0
"""Seconds that a process has to end after a request; then it is killed."""

_READY = "ready"


class _Worker:
    """One worker process, seen from the parent process.

    Attributes:
        connection: sends paths and receives outcomes.
        process: the process.
        ready: whether the process has started.
        place: position of its current file in the inputs; None while it has no file.
    """

    def __init__(self, context: Any, work: Work) -> None:
        self.connection, far = context.Pipe()
        self.process = context.Process(target=_serve, args=(far, work), name="hvqcgic worker", daemon=True)
        self.ready = False
        self.place: int | None = None
        # Ctrl-C in a terminal reaches all its processes; workers ignore it, and this process decides how they end.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        far.close()

    def end(self) -> None:
        """Release an idle worker, or stop a busy one."""
        self.connection.close()
        if self.place is not None:
            self.process.terminate()

    def bury(self, grace_s: float = GRACE_S) -> str:
        """Wait until the process has ended, and kill it after the grace time; return how it ended, in words."""
        self.process.join(grace_s)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        code = self.process.exitcode or 0
        self.process.close()
        if code >= 0:
            return f"ended with exit code {code}"
        name = signal.Signals(-code).name
        if name == "SIGKILL":
            return "was killed, as systems do when memory runs out; try fewer --jobs, or --tile 512"
        return f"was ended by {name}"


class Crew:
    """Several workers that share the files of a batch."""

    def __init__(self, work: Work, paths: Sequence[Path], *, size: int, count: Callable[[Outcome], None]) -> None:
        """Create a crew that has not started.

        Args:
            work: processes one file; each worker gets a pickled copy and keeps it for all of its files.
            paths: the files.
            size: number of workers.
            count: called with each outcome when it arrives, in any order.
        """
        self._context = multiprocessing.get_context("spawn")
        self._work, self._paths, self._size, self._count = work, paths, size, count
        self._todo = deque(range(len(paths)))
        self._found: dict[int, Outcome] = {}
        self._workers: list[_Worker] = []

    def outcomes(self) -> Iterator[Outcome]:
        """Yield the outcome of each file, in the order of the files; all workers have ended when the generator ends.

        After a final outcome, no further file is started and the generator ends.

        Raises:
            WorkerDied: workers cannot be started.
        """
        try:
            self._workers += [_Worker(self._context, self._work) for _ in range(min(self._size, len(self._paths)))]
            for place in range(len(self._paths)):
                while place not in self._found:
                    self._listen()
                outcome = self._found.pop(place)
                yield outcome
                if outcome.final:
                    return
        finally:
            self._dismiss()

    def _listen(self) -> None:
        """Wait for a worker's message, and give the worker its next file."""
        by_connection: dict[Any, _Worker] = {worker.connection: worker for worker in self._workers}
        for connection in wait(list(by_connection)):
            worker = by_connection[connection]
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                self._replace(worker)
            else:
                self._hear(worker, message)

    def _hear(self, worker: _Worker, message: Any) -> None:
        worker.ready = True
        if isinstance(message, Outcome):
            assert worker.place is not None
            self._note(worker.place, message)
        worker.place = self._todo.popleft() if self._todo else None
        if worker.place is not None:
            try:
                worker.connection.send(self._paths[worker.place])
            except OSError:
                # The worker has died; the next read from its connection shows it, too.
                return

    def _note(self, place: int, outcome: Outcome) -> None:
        self._found[place] = outcome
        self._count(outcome)
        if outcome.final:
            self._todo.clear()

    def _replace(self, worker: _Worker) -> None:
        """Mark the file of a dead worker as failed, and start another worker for the remaining files."""
        self._workers.remove(worker)
        worker.connection.close()
        end = worker.bury()
        if not worker.ready:
            raise WorkerDied(f"worker processes cannot be started: one {end}; --jobs 1 does without them")
        if worker.place is not None:
            self._note(
                worker.place, Outcome(error=WorkerDied(f"{self._paths[worker.place]}: its worker process {end}"))
            )
        if self._todo:
            self._workers.append(_Worker(self._context, self._work))

    def _dismiss(self) -> None:
        for worker in self._workers:
            worker.end()
        deadline = time.monotonic() + GRACE_S
        for worker in self._workers:
            worker.bury(max(0.0, deadline - time.monotonic()))
        self._workers.clear()


def _serve(connection: Connection, work: Work) -> None:
    """Main loop of a worker process: receive files and send outcomes until the parent closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Raise an exception on SIGTERM, so that a partly written file is removed.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with plain_warnings(), suppress(EOFError, BrokenPipeError, ConnectionResetError):
        connection.send(_READY)
        while True:
            connection.send(_attempt_any(work, connection.recv()))


def _end_with_parent() -> NoReturn:
    """End at once if the parent is killed. Files are complete or absent, and nobody waits for the next outcome."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _attempt_any(work: Work, path: Path) -> Outcome:
    """Call `attempt`; send an unexpected error with its traceback, which pickling would lose."""
    try:
        return attempt(work, path)
    except Exception:
        return Outcome(error=RuntimeError(f"in a worker process, at {path}:\n{traceback.format_exc()}"), final=True)
