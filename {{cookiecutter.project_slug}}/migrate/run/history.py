"""The history of a database: a row for each revision that ran, in a table beside Alembic's own.

A script of `--sql` writes no row: it is not known who will run it, or where.
"""

import getpass
import logging
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import Script, ScriptDirectory
from alembic.util import to_tuple
from psycopg.sql import Literal
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from migrate.alembic_internals import plan, replace_plan

log = logging.getLogger("migrate")

TABLE = "migrate_history"

# The table's name as SQL, in the schema of Alembic's table, and whether it exists.
PLACE = text("""
    SELECT name, to_regclass(name) IS NOT NULL
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace,
        format('%I.%I', nspname, CAST(:table AS text)) AS name
    WHERE pg_class.oid = to_regclass(:version_table)
""")
# Default privileges may grant rights on the new table: only the migrations may write to it.
CREATE = """
    CREATE TABLE {table} (
        revision text NOT NULL,
        parents text NOT NULL,
        direction text NOT NULL,
        began timestamptz NOT NULL,
        took interval NOT NULL,
        role text NOT NULL,
        os_user text,
        host text NOT NULL,
        sha256 text
    )
"""
GRANTED = text("""
    SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
    FROM pg_class, aclexplode(relacl) WHERE oid = to_regclass(:table) AND grantee <> relowner
""")
INSERT = """
    INSERT INTO {table} (revision, parents, direction, began, took, role, os_user, host, sha256)
    VALUES ({revision}, {parents}, {direction}, clock_timestamp() - {took}, {took}, session_user,
        {os_user}, {host}, {sha256})
"""
# In the order in which they ended, by the server's clock.
SELECT = """
    SELECT revision, parents, direction, began, took, role, os_user, host, sha256
    FROM {table} ORDER BY began + took
"""


@dataclass(frozen=True)
class Entry:
    """One row.

    Attributes:
        revision: its id; after a stamp of several, their ids with commas; "base" for none.
        parents: the ids of its parents, with commas.
        direction: "upgrade", "downgrade", "stamp" or "accept".
        began: when it began.
        took: how long it took.
        role: the role that was logged in to the server.
        os_user: the user that ran the program on its machine; None if that user has no name.
        host: the name of that machine.
        sha256: the hash of the revision's file when it ran; None for a stamp, which runs no file.
    """

    revision: str
    parents: str
    direction: str
    began: datetime
    took: timedelta
    role: str
    os_user: str | None
    host: str
    sha256: str | None


class Recorder:
    """Writes a row for each step of a run, in the step's own transaction.

    If a revision commits as it goes, the row is in the transaction that writes the version. If the
    role may not create or write the table, the run says so and goes on.
    """

    def __init__(self, migration: MigrationContext, *, create: bool = True) -> None:
        """Look for the table, before a step has locks for which traffic would wait.

        Args:
            migration: the context that takes the steps.
            create: create the table if it does not exist. Not in a caller's transaction: the caller
                has not asked for a table.
        """
        self._migration, self._create = migration, create
        _, table, is_there = _place(migration)
        self._table = table if is_there else None
        self._refused = False
        self._started = time.monotonic()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Write a row for each step that Alembic takes in the block."""
        migration = self._migration
        steps, callbacks = plan(migration), migration.on_version_apply_callbacks

        def timed(*arguments: Any) -> Iterator[Any]:
            for step in steps(*arguments):
                self._started = time.monotonic()
                yield step

        replace_plan(migration, timed)
        migration.on_version_apply_callbacks = (*callbacks, self.write)
        try:
            yield
        finally:
            replace_plan(migration, steps)
            migration.on_version_apply_callbacks = callbacks

    def write(self, *, ctx: MigrationContext, step: MigrationInfo, **_: Any) -> None:
        """Write the row of a step that was taken: Alembic's `on_version_apply`."""
        assert ctx.connection is not None
        if self._refused:
            return
        row: dict[str, Any] = {"took": timedelta(seconds=time.monotonic() - self._started)}
        if step.is_stamp:
            row |= {"revision": ", ".join(step.destination_revision_ids) or "base", "direction": "stamp"}
        else:
            script = step.up_revision
            assert isinstance(script, Script)
            row |= of(script) | {"direction": "upgrade" if step.is_upgrade else "downgrade"}
        try:
            if self._table and self._inserted(ctx.connection, self._table, row):
                return
            # A failure in here rolls back only this savepoint.
            with ctx.connection.begin_nested():
                self._table = add(ctx, row, create=self._create)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            self._refused = True
            reason = str(error.orig).splitlines()[0]
            log.warning("%s is not written, and the run goes on without it: %s", TABLE, reason)

    def _inserted(self, connection: Connection, table: str, row: dict[str, Any]) -> bool:
        """Whether the table is still there, and the row in it.

        All is one message: until it is answered, traffic waits for the locks of the step.
        """
        row_and_savepoint = f"SAVEPOINT history; {_insert(connection, table, row)}; RELEASE SAVEPOINT history"
        try:
            _execute(connection, row_and_savepoint)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            _execute(connection, "ROLLBACK TO SAVEPOINT history; RELEASE SAVEPOINT history")
            return False
        return True


def of(script: Script) -> dict[str, str]:
    """Return the values of a row that depend only on the revision."""
    parents = ", ".join(to_tuple(script.down_revision, ()))
    return {"revision": script.revision, "parents": parents, "sha256": digest_of(script.path)}


def add(migration: MigrationContext, row: dict[str, Any], *, create: bool = True) -> str | None:
    """Add a row, and create the table if it does not exist.

    Args:
        migration: of a connection in the transaction that the row belongs to; Alembic's table must exist.
        row: its values, by the names of `Entry`'s attributes. The server and this function give the rest.
        create: if false and the table does not exist, add no row.

    Returns:
        The table's name as SQL; None where it does not exist.

    Raises:
        DBAPIError: the role may not do that, or the server failed.
    """
    connection, table, is_there = _place(migration)
    if not (is_there or create):
        return None
    if not is_there:
        connection.execute(text(CREATE.format(table=table.replace(":", "\\:"))))
        for role in connection.scalars(GRANTED, {"table": table}).all():
            connection.exec_driver_sql(f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {table} FROM {role}")
    _execute(connection, _insert(connection, table, row))
    return table


def entries(migration: MigrationContext) -> list[Entry]:
    """Return the rows, oldest first; none if there is no table, or the role may not read it."""
    connection, table, is_there = _place(migration)
    with suppress(ProgrammingError), connection.begin_nested():
        query = text(SELECT.format(table=table.replace(":", "\\:")))
        return [Entry(*row) for row in connection.execute(query)] if is_there else []
    return []


def changed(history: Iterable[Entry], heads: Iterable[str], scripts: ScriptDirectory) -> list[Script]:
    """Return the applied revisions whose files have changed since they ran.

    A squash is not among them: it is the first revision now, and the ones that it replaced have run.

    Args:
        history: the rows.
        heads: the revisions that the database is at; one without a file is ignored.
        scripts: the files.
    """
    known = {script.revision: script for script in scripts.walk_revisions()}
    history = list(history)
    gone = {entry.revision for entry in history if entry.direction == "upgrade"} - known.keys()
    last = {entry.revision: entry for entry in history if entry.direction != "stamp"}
    applied = applied_revisions(scripts, heads)
    return [
        script
        for script in reversed(known.values())
        if script.revision in applied
        and (entry := last.get(script.revision))
        and entry.direction != "downgrade"
        and entry.sha256 != digest_of(script.path)
        and not (gone and script.is_base)
    ]


def applied_revisions(scripts: ScriptDirectory, heads: Iterable[str]) -> set[str]:
    """Return the revisions that are applied at these heads; one without a file is ignored."""
    known = {script.revision for script in scripts.walk_revisions()}
    found: set[str] = set()
    wanted = [head for head in heads if head in known]
    while wanted:
        script = scripts.get_revision(wanted.pop())
        if script.revision not in found:
            found.add(script.revision)
            wanted += [*to_tuple(script.down_revision, ()), *to_tuple(script.dependencies, ())]
    return found


def digest_of(path: str | Path) -> str:
    """Return the SHA-256 of a file. The line endings, which differ on Windows, do not count."""
    return sha256(Path(path).read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def _place(migration: MigrationContext) -> tuple[Connection, str, bool]:
    """Return the connection, and the table's name as SQL and whether it is there."""
    connection = migration.connection
    assert connection is not None
    quote = connection.dialect.identifier_preparer.quote_identifier
    names = filter(None, (migration.version_table_schema, migration.version_table))
    beside = {"version_table": ".".join(map(quote, names)), "table": TABLE}
    found = connection.execute(PLACE, beside).first()
    return connection, *(found or (TABLE, False))


def _insert(connection: Connection, table: str, row: dict[str, Any]) -> str:
    """Return the INSERT of a row, with its values in it."""
    always = {"parents": "", "sha256": None, "os_user": _os_user(), "host": socket.gethostname()}
    driver: Any = connection.connection.driver_connection
    values = {name: Literal(value).as_string(driver) for name, value in (always | row).items()}
    return INSERT.format(table=table, **values)


def _execute(connection: Connection, statements: str) -> None:
    """Execute what has no parameters, in which a percent sign means nothing."""
    connection.exec_driver_sql(statements, execution_options={"no_parameters": True})


def _os_user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container the user may be only a number
        return None
