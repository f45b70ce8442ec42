"""The guard around each statement of a revision: a limit for lock waits, and autovacuum gives way."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from migrate.alembic_internals import StatementHooks
from migrate.run.connection import UNLIMITED
from migrate.run.settings import Settings
from migrate.run.tables import CODE, created, indexes_dropped, keys_dropped, locked, recorded

# Statements that make only other DDL wait while they wait. A concurrent build that is stopped
# leaves an INVALID index. A backfill is not among them: while it waits for a row, it holds locks
# on the other rows of its batch, and writers queue behind those.
PATIENT = re.compile(
    r"\s*(CREATE (UNIQUE )?INDEX CONCURRENTLY|DROP INDEX CONCURRENTLY|REINDEX .*CONCURRENTLY"
    r"|ALTER TABLE \S+ VALIDATE CONSTRAINT|ALTER TABLE .*DETACH PARTITION .*CONCURRENTLY)",
    re.IGNORECASE | re.DOTALL,
)


DEEPEST = 20  # foreign keys in a row, from a table up; a longer row is a cycle


class GuardedImpl(StatementHooks):
    """Alembic's PostgreSQL, with a guard around each statement, in `--sql` too.

    Autovacuum holds ShareUpdateExclusiveLock on the table that it works on. A statement that
    asks for AccessExclusiveLock there waits for `deadlock_timeout` (1 s). Then PostgreSQL cancels
    autovacuum. Meanwhile all traffic queues behind the statement. So the guard asks for
    ShareUpdateExclusiveLock first: that cancels autovacuum too, and no traffic queues behind it.
    """

    __dialect__ = "postgresql"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._script_transaction: object | None = None  # of `--sql`
        self._transaction: object | None = None
        self._holds_locks = False  # did this transaction hold locks before the statement?
        self._ours: set[str] = set()  # tables that this transaction has created or locked

    def start_migrations(self) -> None:
        """Begin a script with the limits that a run sets for its session."""
        super().start_migrations()
        if self.as_sql and self._settings:
            for statement in (UNLIMITED, *limits(self._settings)):
                self.plain(statement)

    def emit_begin(self) -> None:
        """Begin a transaction of a script."""
        super().emit_begin()
        self._script_transaction = object()

    def emit_commit(self) -> None:
        """Commit a transaction of a script."""
        super().emit_commit()
        self._script_transaction = None

    @contextmanager
    def around(self, statement: str) -> Iterator[None]:
        """Limit how long a statement may wait for locks, and make autovacuum give way."""
        settings = self._settings
        if settings and PATIENT.match(statement):
            self.plain(lock_timeout(settings.patient_lock_timeout))
            yield
            self.plain(lock_timeout(settings.lock_timeout))
        elif settings and (ask_first := self._ask_first(statement)):
            # Outside of a transaction, the lock would be released before the statement begins: so
            # open one. Code may commit, so it runs in no transaction: then autovacuum is only
            # cancelled, and comes back after a minute.
            alone = self._current_transaction() is None and not CODE.match(statement)
            if alone:
                self.plain("BEGIN")
            try:
                self._ask(ask_first, settings)
                yield
            except BaseException:
                if alone:
                    with suppress(SQLAlchemyError):
                        self.plain("ROLLBACK")
                raise
            if alone:
                self.plain("COMMIT")
        else:
            yield

    def _ask(self, ask_first: str, settings: Settings) -> None:
        # It may wait long, unless this transaction already holds locks that traffic waits for.
        patient = not self._holds_locks
        if patient:
            self.plain(lock_timeout(settings.patient_lock_timeout))
        self.plain(ask_first)
        if patient:
            self.plain(lock_timeout(settings.lock_timeout))

    def _ask_first(self, statement: str) -> str:
        """Return the statement that must run before this one; empty if none must."""
        transaction = self._current_transaction()
        if transaction is None or transaction is not self._transaction:
            self._transaction, self._ours = transaction, set()
        named = recorded(self.step) if CODE.match(statement) else locked(statement)
        self._holds_locks = bool(self._ours)
        tables = [table for table in named if table not in self._ours]
        asked = give_way(tables, indexes_dropped(statement), keys_dropped(statement))
        self._ours.update(tables)
        if table := created(statement):
            self._ours.add(table)
        return asked

    def _current_transaction(self) -> object | None:
        if self.as_sql:
            return self._script_transaction
        assert self.connection is not None
        if self.connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
            return None
        return self.connection.get_transaction()

    @property
    def _settings(self) -> Settings | None:
        settings: Settings | None = self.context_opts.get("settings")
        return settings


def give_way(tables: list[str], indexes: list[str], keys: list[str] | None) -> str:
    """Return the statement that makes autovacuum give way on tables, and blocks no reader or writer.

    Args:
        tables: their names as SQL.
        indexes: names of indexes as SQL; their tables are locked.
        keys: foreign keys of the tables (or columns of them); the tables that they refer to are
            locked too. None: those of all foreign keys.

    Returns:
        A DO block that locks the tables: first those that a foreign key refers to, then those that
        have it. It skips a name that is no table, does not exist, or belongs to another role. Empty
        if there is nothing to lock.
    """
    if not tables and not indexes:
        return ""
    names = f"unnest({_array(tables)}) AS n (name)"
    found = [f"SELECT to_regclass(name) FROM {names}"] if tables else []
    if indexes:
        found.append(
            "SELECT indrelid FROM pg_index JOIN unnest"
            f"({_array(indexes)}) AS i (name) ON indexrelid = to_regclass(name)"
        )
    if tables and keys != []:
        found.append(
            f"SELECT confrelid FROM pg_constraint JOIN {names} ON conrelid = to_regclass(name) "
            "WHERE contype = 'f'" + (f" AND ({_is_dropped(keys)})" if keys else "")
        )
    return (
        "DO $$ DECLARE t regclass; BEGIN FOR t IN "
        f"WITH RECURSIVE f (r) AS ({' UNION ALL '.join(found)}), up (r, above) AS (SELECT r, 0 FROM f UNION "
        "SELECT confrelid, above + 1 FROM up JOIN pg_constraint ON conrelid = r AND confrelid <> r "
        f"WHERE contype = 'f' AND above < {DEEPEST}) SELECT oid FROM pg_class JOIN up ON oid = r "
        "WHERE r IN (SELECT r FROM f) AND relkind IN ('r', 'p') AND pg_has_role(relowner, 'USAGE') "
        "GROUP BY oid ORDER BY max(above) DESC, oid "
        "LOOP EXECUTE 'LOCK TABLE ' || t || ' IN SHARE UPDATE EXCLUSIVE MODE'; END LOOP; END $$"
    )


def _is_dropped(keys: list[str]) -> str:
    """Return the SQL condition that a foreign key, or a column of it, has one of these names."""
    names = _array(keys)
    columns = "SELECT FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey)"
    return f"conname = ANY ({names}) OR EXISTS ({columns} AND attname = ANY ({names}))"


def lock_timeout(seconds: float) -> str:
    """Return the statement that limits how long a session waits for a lock, in seconds."""
    return f"SET lock_timeout = '{seconds * 1000:.0f}ms'"


def limits(settings: Settings) -> Iterator[str]:
    """Yield the statements that limit a session by these settings."""
    # For the session, not the transaction: SET LOCAL ends with the first autocommit block. And by
    # a statement, not by the startup parameter "options": PgBouncer rejects that.
    yield lock_timeout(settings.lock_timeout)
    yield f"SET statement_timeout = '{settings.statement_timeout * 1000:.0f}ms'"


def _array(names: Iterable[str]) -> str:
    quoted = ", ".join("'" + name.replace("'", "''").replace(":", "\\:") + "'" for name in names)
    return f"ARRAY[{quoted}]"
