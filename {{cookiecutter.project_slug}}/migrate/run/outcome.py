"""What a failed revision has left: nothing, or what it has committed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic.runtime.migration import MigrationContext
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, event
from sqlalchemy.exc import SQLAlchemyError

from migrate.run.signals import stop_if_told


class Outcome:
    """Watches the statements of a run's revisions, one revision after the other."""

    def __init__(self, migration: MigrationContext) -> None:
        assert migration.connection is not None
        self._migration, self._connection = migration, migration.connection
        self._applied = 0  # revisions that have finished, except for their commit
        self._heads: set[str] = set()  # the heads after the last of them
        self.clear()

    def clear(self) -> None:
        """Forget the last revision: another one begins."""
        self._transactions = int(self._status() != TransactionStatus.IDLE)
        self._autocommit = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch, until the end of the block."""
        migration = self._migration
        earlier = migration.on_version_apply_callbacks
        migration.on_version_apply_callbacks = (*earlier, self._apply)
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

    def _apply(self, *, heads: set[str], **_: Any) -> None:
        self._applied += 1
        self._heads = heads

    @property
    def _driver(self) -> Any:
        return self._connection.connection.driver_connection

    def _status(self) -> TransactionStatus:
        status: TransactionStatus = self._driver.info.transaction_status
        return status

    def committed(self, done: int) -> bool | None:
        """Roll back the open transaction; return whether one more revision was committed, None if not known.

        If a COMMIT fails in the client, the server may still have committed: so ask the server.

        Args:
            done: the number of revisions that are known to be committed.
        """
        asked = self._applied > done
        self._applied = done
        begun = self._transactions
        try:
            self._connection.rollback()
            if not asked:
                return False
            heads = set(self._migration.get_current_heads())
            self._connection.rollback()
        except SQLAlchemyError:
            return None if asked else False
        finally:
            self._transactions = begun  # without the transaction of this question
        return heads == self._heads

    @property
    def can_be_tried_again(self) -> bool:
        """Whether another try may begin: the failed one was rolled back, or is safe to run again."""
        return self._autocommit or self._transactions < 2

    def __str__(self) -> str:
        """What the failed revision has left."""
        if self._autocommit:
            return "stopped half-way, and can be run again as it is"
        if self._transactions > 1:
            return "has committed in the middle, and that stands: undo it, and run it again"
        return "rolled back"
