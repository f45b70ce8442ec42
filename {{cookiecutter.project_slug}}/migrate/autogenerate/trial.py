"""Ask the server itself, on an empty copy of a table that is gone a moment later.

It knows best how it will write an expression down, and whether it will rewrite a table.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import ExecutableDDLElement

SCHEMA = "pg_temp"

FORBIDDEN = ("25006", "42501")  # a read-only server, a role without the right


def quoted(connection: Connection, schema: str | None, name: str) -> str:
    """Return the name of a table or type as SQL."""
    quote = connection.dialect.identifier_preparer.quote
    return f"{quote(schema)}.{quote(name)}" if schema else quote(name)


@contextmanager
def copied(connection: Connection, schema: str | None, table: str) -> Iterator[str]:
    """Make a temporary copy of a table, of the same name and without rows, and undo it.

    Yields:
        The name of the copy, as SQL.

    Raises:
        CommandError: the role may make no temporary tables.
    """
    copy = quoted(connection, SCHEMA, table)
    savepoint = connection.begin_nested()
    try:
        try:
            connection.execute(
                text(f"CREATE TEMPORARY TABLE {copy} (LIKE {quoted(connection, schema, table)})")
            )
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) in FORBIDDEN:
                raise CommandError(
                    "to compare, the server makes temporary copies of the tables, without their rows, and "
                    "this role or server does not allow it: GRANT TEMPORARY ON DATABASE, or compare with a "
                    "database of your own"
                ) from error
            raise
        yield copy
    finally:
        savepoint.rollback()


def accepts(
    connection: Connection, statement: ExecutableDDLElement | str, *, schema: str | None = None
) -> bool:
    """Run a statement on a copy, and return whether the server took it. If not, it has changed nothing.

    Args:
        connection: where the copy is.
        statement: one that names the copy, or its original.
        schema: of the original; None is the default one.
    """
    savepoint = connection.begin_nested()
    try:
        connection.execute(
            text(statement) if isinstance(statement, str) else statement,
            execution_options={"schema_translate_map": {schema: SCHEMA}},
        )
    except DBAPIError:
        savepoint.rollback()
        return False
    savepoint.commit()
    return True


def rewrites(connection: Connection, copy: str, statement: ExecutableDDLElement | str) -> bool | None:
    """Return whether a statement would write every row of the table anew; None if it fails."""
    filenode = text("SELECT pg_relation_filenode(CAST(:copy AS regclass))")
    before = connection.scalar(filenode, {"copy": copy})
    if not accepts(connection, statement):
        return None
    return bool(connection.scalar(filenode, {"copy": copy}) != before)
