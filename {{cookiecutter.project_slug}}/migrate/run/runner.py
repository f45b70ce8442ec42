"""One run of the migrations at a time, on one database."""

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from migrate.run.connection import BUFFERED, cannot_connect, free, pause
from migrate.run.failures import one_line
from migrate.run.signals import stop_if_told

log = logging.getLogger("migrate")

POLL_SECONDS = 0.5

HOLDER = text("""
    SELECT pid, application_name, 'since ' || date_trunc('second', backend_start)::text
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32 | objid::bigint) = :key
""")


class Runner:
    """The right to run migrations, held by a connection of its own that does nothing else."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def check(self) -> None:
        """Check that the right is still held.

        Raises:
            CommandError: the connection, and with it the lock, is gone.
        """
        try:
            self._connection.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            raise CommandError(
                "the connection that kept other runs away is lost: stopped between two revisions; run again"
            ) from error


@contextmanager
def single_runner(engine: Engine, version_table: str, wait: float) -> Iterator[Runner]:
    """Hold the lock that only one run on this database can have; wait for it.

    It uses pg_try_advisory_lock(), and never waits inside pg_advisory_lock(): a session that waits there
    holds a snapshot, and another run's CREATE INDEX CONCURRENTLY would wait for that snapshot.

    Args:
        engine: the database.
        version_table: Alembic's table; a database may have several, each with its own runs.
        wait: how long to wait for another run to end, in seconds.

    Raises:
        CommandError: the other run did not end in time.
    """
    key = lock_key(version_table)
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise CommandError(cannot_connect(error, engine)) from error
    with connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT", **BUFFERED)
        name = f"alembic {socket.gethostname()}:{os.getpid()}"[:63]
        try:
            with lost_is_explained():
                connection.execute(
                    text("SELECT set_config('application_name', :name, false)"), {"name": name}
                )
                free(connection)
                wait_for_turn(connection, "pg_try_advisory_lock", key, wait)
            try:
                yield Runner(connection)
            finally:
                with suppress(SQLAlchemyError):  # a lost connection has released the lock
                    connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})
        finally:
            connection.invalidate()  # not back to the program's pool, with this name and these limits


@contextmanager
def lost_is_explained() -> Iterator[None]:
    """Explain the error of a session that waits for another run.

    Raises:
        CommandError: the session was terminated, or the server is gone.
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise CommandError(
            f"{one_line(error)}: this run was waiting for its turn, and has changed nothing; run again"
        ) from error


def lock_key(version_table: str) -> int:
    """Return the number of the advisory lock for a version table."""
    return int.from_bytes(sha256(version_table.encode()).digest()[:8], signed=True)


def wait_for_turn(connection: Connection, function: str, key: int, wait: float) -> None:
    """Try until the lock is held.

    Args:
        connection: the one that will hold it.
        function: the server's function that tries once.
        key: the number of the lock.
        wait: how long to try, in seconds.

    Raises:
        CommandError: another run holds it for longer.
    """
    deadline = time.monotonic() + wait
    told = False
    while not connection.scalar(text(f"SELECT {function}(:key)"), {"key": key}):
        stop_if_told()
        holder = _holder(connection, key)
        if time.monotonic() >= deadline:
            raise CommandError(
                f"another run of the migrations has not ended in {wait:g} s: {holder}; wait for it, "
                "or end it with SELECT pg_terminate_backend(…) if it hangs"
            )
        if not told:
            log.info("waiting for another run of the migrations: %s (for %g s at most)", holder, wait)
            told = True
        pause(connection, POLL_SECONDS)


def _holder(connection: Connection, key: int) -> str:
    row = connection.execute(HOLDER, {"key": key}).first()
    if row is None:
        return "it has just ended"
    pid, name, since = row
    return f"pid {pid} ({name}), {since or 'of another role'}"
