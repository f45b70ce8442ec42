"""What stands around each statement of a revision: a time limit, and autovacuum out of its way."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from migrate.alembic_internals import StatementHooks
from migrate.run.connection import UNLIMITED
from migrate.run.settings import Settings
from migrate.run.tables import CODE, created, indexes_dropped, keys_dropped, locked, recorded

# Statements that, while they wait, hold up nothing but other DDL; cut short, a concurrent
# build leaves an INVALID index behind. A backfill is not one of them: while it waits for a
# row it holds the others of its batch, which writers queue behind.
PATIENT = re.compile(
    r"\s*(CREATE (UNIQUE )?INDEX CONCURRENTLY|DROP INDEX CONCURRENTLY|REINDEX .*CONCURRENTLY"
    r"|ALTER TABLE \S+ VALIDATE CONSTRAINT|ALTER TABLE .*DETACH PARTITION .*CONCURRENTLY)",
    re.IGNORECASE | re.DOTALL,
)


DEEPEST = 20  # foreign keys from a table up; more only where they go round in a circle


class GuardedImpl(StatementHooks):
    """Alembic's PostgreSQL, with a guard around each statement, in `--sql` too.

    Autovacuum holds ShareUpdateExclusiveLock on the table that it works on. A statement that
    asks for AccessExclusiveLock there waits for `deadlock_timeout` (1 s), until it has
    autovacuum cancelled, and all traffic queues behind it. So the guard asks for
    ShareUpdateExclusiveLock first: that has autovacuum cancelled too, and no traffic queues
    behind it.
    """

    __dialect__ = "postgresql"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._script_transaction: object | None = None  # of `--sql`
        self._transaction: object | None = None
        self._holds_locks = False  # before the statement
        self._ours: set[str] = set()  # tables that this transaction has created, or has locked already

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
        """Limit how long a statement may wait, and have autovacuum give way to it."""
        settings = self._settings
        if settings and PATIENT.match(statement):
            self.plain(lock_timeout(settings.patient_lock_timeout))
            yield
            self.plain(lock_timeout(settings.lock_timeout))
        elif settings and (ask_first := self._ask_first(statement)):
            # Outside of a transaction the lock would be gone before the statement begins. Code
            # may commit, and so runs in none: autovacuum, sent away, comes back in a minute.
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
        # It may wait long, unless traffic waits already for what this transaction has locked.
        patient = not self._holds_locks
        if patient:
            self.plain(lock_timeout(settings.patient_lock_timeout))
        self.plain(ask_first)
        if patient:
            self.plain(lock_timeout(settings.lock_timeout))

    def _ask_first(self, statement: str) -> str:
        """Return the statement that is to run before this one, empty where there is none."""
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
    """Return the statement that has autovacuum give way on tables, and stops no reader or writer.

    Args:
        tables: their names as SQL writes them.
        indexes: the same of indexes, whose tables are meant.
        keys: the foreign keys (or their columns) whose other tables are meant too; None for
            all of them.

    Returns:
        A DO block that locks what foreign keys refer to before what has them, and passes over
        what is no table, is not there, or is another role's; empty where there is nothing to
        lock.
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
    """Return the condition on a foreign key that it, or a column of it, has one of these names."""
    names = _array(keys)
    columns = "SELECT FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey)"
    return f"conname = ANY ({names}) OR EXISTS ({columns} AND attname = ANY ({names}))"


def lock_timeout(seconds: float) -> str:
    """Return the statement that limits how long a session waits for a lock."""
    return f"SET lock_timeout = '{seconds * 1000:.0f}ms'"


def limits(settings: Settings) -> Iterator[str]:
    """Yield the statements that limit a session by these settings."""
    # The session, not the transaction: SET LOCAL ends with the first autocommit block. And
    # by statement, not by the startup parameter "options", which PgBouncer rejects.
    yield lock_timeout(settings.lock_timeout)
    yield f"SET statement_timeout = '{settings.statement_timeout * 1000:.0f}ms'"


def _array(names: Iterable[str]) -> str:
    quoted = ", ".join("'" + name.replace("'", "''").replace(":", "\\:") + "'" for name in names)
    return f"ARRAY[{quoted}]"
