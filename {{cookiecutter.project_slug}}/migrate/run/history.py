"""What has been done to a database: a row for each revision that ran, in a table beside Alembic's own.

A script of `--sql` writes none: nobody knows yet who will run it, or where.
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
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from migrate.alembic_internals import plan, replace_plan

log = logging.getLogger("migrate")

TABLE = "migrate_history"

# The table as SQL writes it, in the schema of Alembic's, and whether it is there.
PLACE = text("""
    SELECT name, to_regclass(name) IS NOT NULL
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace,
        format('%I.%I', nspname, CAST(:table AS text)) AS name
    WHERE pg_class.oid = to_regclass(:version_table)
""")
# What default privileges give away is taken back: the history is the migrations' alone.
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
    VALUES (:revision, :parents, :direction, clock_timestamp() - :took, :took, session_user,
        :os_user, :host, :sha256)
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
        revision: its id; several, with commas, where a stamp wrote several; "base" for none.
        parents: the ids of those that it comes after, with commas.
        direction: "upgrade", "downgrade", "stamp" or "accept".
        began: when.
        took: how long.
        role: who was logged in to the server.
        os_user: who ran the program, on its machine; None where the machine has no name for it.
        host: that machine.
        sha256: of the revision's file as it was then; None for a stamp, which runs no file.
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


@contextmanager
def recorded(migration: MigrationContext, *, create: bool = True) -> Iterator[None]:
    """Write down each step that a run takes, in the step's own transaction.

    After a revision that commits as it goes that is the one that writes the version. Where the
    role may not create or write the table, the run says so and goes on.

    Args:
        migration: what takes the steps.
        create: create the table where there is none. In a caller's transaction it would be a table
            that the caller has not asked for.
    """
    steps, callbacks = plan(migration), migration.on_version_apply_callbacks
    recorder = Recorder(create=create)

    def timed(*arguments: Any) -> Iterator[Any]:
        for step in steps(*arguments):
            recorder.started = time.monotonic()
            yield step

    replace_plan(migration, timed)
    migration.on_version_apply_callbacks = (*callbacks, recorder.write)
    try:
        yield
    finally:
        replace_plan(migration, steps)
        migration.on_version_apply_callbacks = callbacks


class Recorder:
    """Writes the rows of one run."""

    def __init__(self, *, create: bool) -> None:
        self.started = time.monotonic()
        self._create = create
        self._refused = False

    def write(self, *, ctx: MigrationContext, step: MigrationInfo, **_: Any) -> None:
        """Write down a step that has been taken: Alembic's `on_version_apply`."""
        assert ctx.connection is not None
        if self._refused:
            return
        row: dict[str, Any] = {"took": timedelta(seconds=time.monotonic() - self.started)}
        if step.is_stamp:
            row |= {"revision": ", ".join(step.destination_revision_ids) or "base", "direction": "stamp"}
        else:
            script = step.up_revision
            assert isinstance(script, Script)
            row |= of(script) | {"direction": "upgrade" if step.is_upgrade else "downgrade"}
        try:
            # What fails in here takes nothing else with it.
            with ctx.connection.begin_nested():
                add(ctx.connection, row, version_table(ctx), create=self._create)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            self._refused = True
            reason = str(error.orig).splitlines()[0]
            log.warning("%s is not written, and the run goes on without it: %s", TABLE, reason)


def of(script: Script) -> dict[str, str]:
    """Return what a row says of a revision, whatever is done with it."""
    parents = ", ".join(to_tuple(script.down_revision, ()))
    return {"revision": script.revision, "parents": parents, "sha256": digest_of(script.path)}


def add(
    connection: Connection,
    row: dict[str, Any],
    version_table: str = "alembic_version",
    *,
    create: bool = True,
) -> None:
    """Add a row, and create the table where there is none.

    Args:
        connection: in the transaction that the row belongs to.
        row: its values, as `Entry` names them, less what is the same for every row.
        version_table: Alembic's, as SQL writes it, which must be there.
        create: or add none where there is no table.

    Raises:
        DBAPIError: the role may not do that, or the server cannot.
    """
    table, is_there = _place(connection, version_table)
    if not (is_there or create):
        return
    if not is_there:
        connection.execute(text(CREATE.format(table=table.replace(":", "\\:"))))
        for role in connection.scalars(GRANTED, {"table": table}).all():
            connection.exec_driver_sql(f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {table} FROM {role}")
    always = {"parents": "", "sha256": None, "os_user": _os_user(), "host": socket.gethostname()}
    connection.execute(text(INSERT.format(table=table.replace(":", "\\:"))), always | row)


def entries(connection: Connection, version_table: str = "alembic_version") -> list[Entry]:
    """Return the rows, oldest first; none where there is no such table, or the role may not read it."""
    table, is_there = _place(connection, version_table)
    with suppress(ProgrammingError), connection.begin_nested():
        query = text(SELECT.format(table=table.replace(":", "\\:")))
        return [Entry(*row) for row in connection.execute(query)] if is_there else []
    return []


def changed(history: Iterable[Entry], heads: Iterable[str], scripts: ScriptDirectory) -> list[Script]:
    """Return the applied revisions whose files are not what they were when they ran.

    Not a squash: a file that comes first now and in whose place others ran, is new on purpose.

    Args:
        history: the rows.
        heads: where the database is; those that have no file are passed over.
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
    """Return the revisions that a database at these has, as far as there are files of them."""
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
    """Return the SHA-256 of a file; how its lines end, which Windows has another way, does not count."""
    return sha256(Path(path).read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def version_table(migration: MigrationContext) -> str:
    """Return the name of Alembic's table, as SQL writes it."""
    assert migration.connection is not None
    quote = migration.connection.dialect.identifier_preparer.quote_identifier
    return ".".join(quote(part) for part in (migration.version_table_schema, migration.version_table) if part)


def _place(connection: Connection, version_table: str) -> tuple[str, bool]:
    found = connection.execute(PLACE, {"version_table": version_table, "table": TABLE}).first()
    return (found[0], found[1]) if found else (TABLE, False)


def _os_user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may be a number only
        return None
