"""A transaction that a program begins before it calls Alembic, and ends itself."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from migrate.run.runner import lock_key, lost_is_explained, wait_for_turn
from migrate.run.settings import Settings

LIMITS = text("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
SET_LIMITS = text(
    "SELECT set_config('lock_timeout', :lock, true), set_config('statement_timeout', :statement, true)"
)


@contextmanager
def guarded(connection: Connection, version_table: str, settings: Settings) -> Iterator[None]:
    """Keep other runs away until the transaction ends, and limit its statements meanwhile.

    Args:
        connection: in a transaction.
        version_table: Alembic's, as for `single_runner`.
        settings: how long to wait. At the end, the caller's own limits are set again.

    Raises:
        CommandError: another run did not end in time.
    """
    # A transaction lock: with a session lock, the next run could begin before this one commits.
    with lost_is_explained():
        wait_for_turn(connection, "pg_try_advisory_xact_lock", lock_key(version_table), settings.runner_wait)
    lock, statement = connection.execute(LIMITS).one()
    _limit(connection, f"{settings.lock_timeout * 1000:.0f}", f"{settings.statement_timeout * 1000:.0f}")
    try:
        yield
    finally:
        with suppress(SQLAlchemyError):  # a transaction that failed forgets them anyway
            _limit(connection, lock, statement)


def _limit(connection: Connection, lock: str, statement: str) -> None:
    connection.execute(SET_LIMITS, {"lock": lock, "statement": statement})
