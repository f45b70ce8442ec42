"""The transaction that a program has begun before it calls Alembic, and that it ends itself."""

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
        settings: how long to wait. The limits that the caller has set are back at the end.

    Raises:
        CommandError: another run did not end in time.
    """
    # The transaction's lock: with any other, the next run would begin before this one is committed.
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
