"""Worker processes for a batch: each has one file at a time, so that one that dies is known by its file.

`concurrent.futures` would fail all files in flight when a process dies. Processes are spawned, not forked: PyTorch's
threads do not survive a fork.
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
"""How long a process that was told to end may take; then it is killed."""

_READY = "ready"


class _Worker:
    """One worker process, seen from the other end.

    Attributes:
        connection: paths go out, outcomes come in.
        process: the process.
        ready: whether it has come up.
        place: of the file it works on, in the order of the inputs; None while it has none.
    """

    def __init__(self, context: Any, work: Work) -> None:
        self.connection, far = context.Pipe()
        self.process = context.Process(target=_serve, args=(far, work), name="hvqcgic worker", daemon=True)
        self.ready = False
        self.place: int | None = None
        # Ctrl-C in a terminal goes to all processes in it; what a worker is to do then, this one decides.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        far.close()

    def end(self) -> None:
        """Let an idle worker go, stop one that works."""
        self.connection.close()
        if self.place is not None:
            self.process.terminate()

    def bury(self, grace_s: float = GRACE_S) -> str:
        """Wait until it is gone, and kill it if that takes too long; return how it ended, in words."""
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
        """A crew, not yet at work.

        Args:
            work: does one file; each worker gets a pickled copy, and keeps it for all of its files.
            paths: the files.
            size: how many workers.
            count: told of each outcome when it comes back, in any order.
        """
        self._context = multiprocessing.get_context("spawn")
        self._work, self._paths, self._size, self._count = work, paths, size, count
        self._todo = deque(range(len(paths)))
        self._found: dict[int, Outcome] = {}
        self._workers: list[_Worker] = []

    def outcomes(self) -> Iterator[Outcome]:
        """What became of each file, in the order of the files; all workers are gone when this ends, however it does.

        With a final outcome it ends: no further file is begun.

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
        """Wait for a worker, and give it the next file."""
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
                # It has died, which the next look at its connection shows, too.
                return

    def _note(self, place: int, outcome: Outcome) -> None:
        self._found[place] = outcome
        self._count(outcome)
        if outcome.final:
            self._todo.clear()

    def _replace(self, worker: _Worker) -> None:
        """A worker has died: its file has failed, the rest needs another one."""
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
    """What a worker process does: files come in, outcomes go out, until nobody is left at the other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # An exception, so that a file that is being written is removed.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with plain_warnings(), suppress(EOFError, BrokenPipeError, ConnectionResetError):
        connection.send(_READY)
        while True:
            connection.send(_attempt_any(work, connection.recv()))


def _end_with_parent() -> NoReturn:
    """End at once when the parent is killed: its files are whole or not there, and nobody waits for the next one."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _attempt_any(work: Work, path: Path) -> Outcome:
    """As `attempt`; an error that nobody has foreseen is sent with its traceback, which would be lost on the way."""
    try:
        return attempt(work, path)
    except Exception:
        return Outcome(error=RuntimeError(f"in a worker process, at {path}:\n{traceback.format_exc()}"), final=True)
