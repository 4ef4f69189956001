"""Storage of a sweep's trials, shared by any number of workers: SQLite, PostgreSQL or a journal file.

A worker writes heartbeats for its current trial. If several heartbeats are missing, the worker counts as dead, and the
next worker that checks puts the trial back into the queue (`retry`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
import sqlalchemy.event
from optuna.exceptions import OptunaError, UpdateFinishedTrialError
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from hvqcgic.errors import ConfigError, HvqcgicError
from hvqcgic.files import one_line, reason
from hvqcgic.sweep.places import MOST_ATTEMPTS, attempts, next_history

JOURNAL = "journal:"
GRACE = 3
"""Number of missing heartbeats after which a worker counts as dead."""

STORAGE_ERRORS = (SQLAlchemyError, OptunaError, OSError)
"""Exceptions of a storage that has become unreachable."""

_TRIES = 6
_SECONDS_TO_CONNECT = 10
_SECONDS_TO_LOCK = 120


class StorageLost(HvqcgicError):
    """The storage was reachable before and is not any more."""


def open_storage(url: str, heartbeat_s: int) -> Storage:
    """Open the storage at an address.

    Args:
        url: `sqlite:///PATH`, `postgresql://USER@HOST/DATABASE`, or `journal:PATH` for a file on a shared disk.
        heartbeat_s: seconds between two heartbeats.
    Raises:
        ConfigError: it cannot be reached or is no storage; the message hides a password in the address.
    """
    try:
        if url.startswith(JOURNAL):
            return JournalWithHeartbeat(Path(url.removeprefix(JOURNAL)), heartbeat_s)
        return _open_database(url, heartbeat_s)
    except (*STORAGE_ERRORS, ImportError, ValueError, KeyError) as error:
        why = one_line([getattr(error, "orig", None) or reason(error)])
        raise ConfigError(
            f"--storage {shown(url)}: cannot be reached ({why}); give sqlite:///FILE, journal:FILE or postgresql://..."
        ) from error


@contextmanager
def opened_storage(url: str, heartbeat_s: int) -> Iterator[Storage]:
    """Context of `open_storage` that closes the connections at the end."""
    storage = open_storage(url, heartbeat_s)
    try:
        yield storage
    finally:
        if isinstance(storage, RDBStorage):
            storage.remove_session()
            storage.engine.dispose()


def shown(url: str) -> str:
    """Return an address without its password."""
    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return url


def retry(study: optuna.Study, trial: FrozenTrial) -> None:
    """Put an unfinished trial back into the queue with its parameters, unless it had too many attempts.

    Unlike Optuna's `RetryHeartbeatStaleTrialCallback`, the retry does not take over attributes of the old attempt.
    """
    if attempts(trial) >= MOST_ATTEMPTS:
        return
    kind = {key: value for key, value in trial.user_attrs.items() if key == "kind"}
    study.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs=kind,
            system_attrs=next_history(trial),
        )
    )


class JournalWithHeartbeat(JournalStorage, BaseHeartbeat):
    """Optuna's journal in a file, with heartbeats to find dead workers.

    A heartbeat is the worker's clock time, so the clocks of the workers must agree to within the grace period.
    """

    def __init__(self, path: Path, heartbeat_s: int) -> None:
        """Open or create a journal.

        Args:
            path: of the file.
            heartbeat_s: seconds between two heartbeats.
        Raises:
            OSError: the file cannot be opened.
            ValueError: it is no journal.
        """
        super().__init__(JournalFileBackend(str(path)))
        self._heartbeat_s = heartbeat_s

    def record_heartbeat(self, trial_id: int) -> None:
        """Record that a trial's worker is alive."""
        try:
            self.set_trial_system_attr(trial_id, "heartbeat", time.time())
        except UpdateFinishedTrialError:
            # Another worker has declared this one dead; this worker finds out when it reports its result.
            return

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        oldest = time.time() - GRACE * self._heartbeat_s
        running = self.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,))
        return [trial._trial_id for trial in running if trial.system_attrs.get("heartbeat", oldest) < oldest]

    def get_heartbeat_interval(self) -> int:
        """Seconds between two heartbeats."""
        return self._heartbeat_s

    def get_heartbeat_stale_trial_callback(self) -> Callable[[optuna.Study, FrozenTrial], None]:
        """Callback for the trial of a dead worker."""
        return retry


Storage = RDBStorage | JournalWithHeartbeat


def _open_database(url: str, heartbeat_s: int) -> RDBStorage:
    address = sqlalchemy.make_url(url)
    options: dict[str, Any] = {}
    if address.drivername == "postgresql":
        url = url.replace("postgresql", "postgresql+psycopg", 1)
    if address.drivername.startswith("postgresql"):
        options = {"connect_args": {"connect_timeout": _SECONDS_TO_CONNECT}, "pool_pre_ping": True}
    if address.drivername.startswith("sqlite"):
        if address.database in (None, "", ":memory:"):
            raise ValueError("it is kept nowhere; name a file, as sqlite:///sweep.db")
        options = {"connect_args": {"timeout": _SECONDS_TO_LOCK}}
    storage = _create_tables(url, options, heartbeat_s)
    if storage.engine.dialect.name == "sqlite":
        _lock_when_reading(storage.engine)
    return storage


def _create_tables(url: str, options: dict[str, Any], heartbeat_s: int) -> RDBStorage:
    """Open Optuna's storage. Of workers that start together, one creates the tables; the others succeed on a retry."""
    for left in reversed(range(_TRIES)):
        try:
            return RDBStorage(
                url,
                engine_kwargs=options,
                heartbeat_interval=heartbeat_s,
                grace_period=GRACE * heartbeat_s,
                heartbeat_stale_trial_callback=retry,
            )
        except SQLAlchemyError as error:
            if not left or not (isinstance(error, IntegrityError) or "already exists" in str(error)):
                raise
            time.sleep(0.5)
    raise AssertionError


def _lock_when_reading(engine: sqlalchemy.Engine) -> None:
    """Make every transaction lock the file from its start.

    SQLite has no row locks. Optuna reads a trial's state and then changes it, and between the two another worker could
    take the same trial.
    """
    engine.dispose()

    @sqlalchemy.event.listens_for(engine, "connect")
    def leave_transactions_to_sqlalchemy(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    @sqlalchemy.event.listens_for(engine, "begin")
    def lock(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
