"""What a revision has made of its transaction, whoever wrote it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic.runtime.migration import MigrationContext
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, event
from sqlalchemy.exc import SQLAlchemyError

from migrate.run.signals import stop_if_told


class Outcome:
    """Watches the statements of one revision after the other, on the connection of a run."""

    def __init__(self, migration: MigrationContext) -> None:
        assert migration.connection is not None
        self._migration, self._connection = migration, migration.connection
        self.clear()

    def clear(self) -> None:
        """Forget what was: another revision begins."""
        self._transactions = int(self._status() != TransactionStatus.IDLE)
        self._autocommit = False
        self._heads: set[str] | None = None  # where it leads, once all but its commit is done

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch, until the end of the block."""
        migration = self._migration
        earlier = migration.on_version_apply_callbacks
        migration.on_version_apply_callbacks = (*earlier, self._applied)
        event.listen(self._connection, "before_cursor_execute", self._before)
        try:
            yield
        finally:
            event.remove(self._connection, "before_cursor_execute", self._before)
            migration.on_version_apply_callbacks = earlier

    def _before(self, _connection: Connection, *_: Any) -> None:
        stop_if_told()
        self._autocommit |= self._driver.autocommit
        self._transactions += self._status() == TransactionStatus.IDLE  # the driver begins one now

    def _applied(self, *, heads: set[str], **_: Any) -> None:
        self._heads = heads

    @property
    def _driver(self) -> Any:
        return self._connection.connection.driver_connection

    def _status(self) -> TransactionStatus:
        status: TransactionStatus = self._driver.info.transaction_status
        return status

    def committed(self) -> bool | None:
        """Roll back what is open; return whether the revision was committed, None if that is not known.

        What ends a COMMIT says nothing about what the server has done with it.
        """
        heads, now = self._heads, None
        try:
            self._connection.rollback()
            if heads is None:
                return False
            now = set(self._migration.get_current_heads())
            self._connection.rollback()
        except SQLAlchemyError:
            pass
        return None if now is None and heads is not None else now == heads

    @property
    def can_be_tried_again(self) -> bool:
        """Whether another try would find what this one has found."""
        return self._autocommit or self._transactions < 2

    def __str__(self) -> str:
        """What a revision that failed has left."""
        if self._autocommit:
            return "stopped half-way, and can be run again as it is"
        if self._transactions > 1:
            return "has committed in the middle, and that stands: undo it, and run it again"
        return "rolled back"
