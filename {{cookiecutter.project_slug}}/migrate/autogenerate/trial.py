"""Ask the server itself, on an empty copy of a table that is gone a moment later.

It knows best how it will write an expression down, and whether it will rewrite a table.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic.util import CommandError
from sqlalchemy import Connection, Table, TextClause, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import ExecutableDDLElement

SCHEMA = "pg_temp"

FORBIDDEN = ("25006", "42501")  # a read-only server, a role without the right


def quoted(connection: Connection, schema: str | None, name: str) -> str:
    """Return the name of a table or type as SQL."""
    quote = connection.dialect.identifier_preparer.quote
    return unescaped(f"{quote(schema)}.{quote(name)}" if schema else quote(name))


def plain(sql: str) -> TextClause:
    """Return SQL in which a colon is one, not the beginning of a bound value."""
    return text(sql.replace(":", r"\:"))


def unescaped(sql: str) -> str:
    """Return SQL as the server reads it: made for the driver, each % of it is written twice."""
    return sql.replace("%%", "%")


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
            original = quoted(connection, schema, table)
            connection.execute(plain(f"CREATE TEMPORARY TABLE {copy} (LIKE {original})"))
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
    connection: Connection, statement: ExecutableDDLElement | str, *, original: Table | None = None
) -> bool:
    """Run a statement on a copy, and return whether the server took it. If not, it has changed nothing.

    Args:
        connection: where the copy is.
        statement: one about the copy.
        original: the table that the statement names in place of the copy.
    """
    options = {} if original is None else {"schema_translate_map": {original.schema: SCHEMA}}
    savepoint = connection.begin_nested()
    try:
        connection.execute(
            plain(statement) if isinstance(statement, str) else statement, execution_options=options
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
