"""Send SQL unchanged, and return the server's refusal as a value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row
from sqlalchemy.exc import DBAPIError

# Errors of the session or the machine, not of the statement (SQLSTATE's first two characters):
# connection, transaction state, rollback, resources, locks, cancelled, I/O.
NOT_ABOUT_IT = ("08", "25", "40", "53", "55", "57", "58", "XX")

# So "%" is no parameter, and ":word" is no bound value.
RAW = {"no_parameters": True}

# Where the server was when it reported what RAISE in a trigger says.
RAISED = "exec_stmt_raise"


@dataclass(frozen=True)
class Refusal:
    """Why the server did not run a statement.

    Attributes:
        code: the SQLSTATE, five characters.
        reason: its message, one line.
        constraint: the name of the violated constraint; "" if there is none.
        column: the name of the column; "" if the server gives none.
    """

    code: str
    reason: str
    constraint: str = ""
    column: str = ""


def query(connection: Connection, sql: str) -> Sequence[Row[Any]]:
    """Run a statement, and return the rows of a query."""
    result = connection.exec_driver_sql(sql, execution_options=RAW)
    return result.all() if result.returns_rows else []


def attempt(connection: Connection, sql: str) -> int | Sequence[Row[Any]] | Refusal:
    """Run a statement that the server may refuse. A refused one is rolled back.

    Returns:
        The rows of a query, the number of rows that another statement changed, or the refusal.
    """
    try:
        with connection.begin_nested():
            result = connection.exec_driver_sql(sql, execution_options=RAW)
            return result.all() if result.returns_rows else result.rowcount
    except DBAPIError as error:
        code = getattr(error.orig, "sqlstate", None) or ""
        diagnosis = getattr(error.orig, "diag", None)
        raised = getattr(diagnosis, "source_function", None) == RAISED
        if not code or (code.startswith(NOT_ABOUT_IT) and not raised):
            raise
        return Refusal(
            code,
            getattr(diagnosis, "message_primary", None) or code,
            getattr(diagnosis, "constraint_name", None) or "",
            getattr(diagnosis, "column_name", None) or "",
        )


def literal(value: str | None) -> str:
    """Return a string as an SQL literal."""
    if value is None:
        return "NULL"
    escaped = value.replace("'", "''").replace("\\", "\\\\")
    return f"E'{escaped}'" if "\\" in value else f"'{escaped}'"


def quoted(name: str) -> str:
    """Return a name in quotes."""
    return '"' + name.replace('"', '""') + '"'
