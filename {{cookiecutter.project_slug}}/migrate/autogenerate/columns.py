"""The default and the type of a column, where Alembic compares how they are spelled.

The server knows what they mean: it is given the models' default on a copy of the table, and
asked whether two names are of one type.
"""

import logging
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.ddl.base import ColumnDefault
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import PriorityDispatchResult
from sqlalchemy import Column, Connection, text
from sqlalchemy.schema import DefaultClause

from migrate.autogenerate import trial
from migrate.autogenerate.enums import named_types

log = logging.getLogger(__name__)

DEFAULT = text("""
    SELECT pg_get_expr(adbin, adrelid)
    FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
    WHERE adrelid = CAST(:table AS regclass) AND attname = :column
""")
ONE_TYPE = text("SELECT to_regtype(:one) = to_regtype(:other)")


def compare_default(
    context: AutogenContext,
    change: ops.AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    present: Column[Any],
    model: Column[Any],
) -> PriorityDispatchResult:
    """Compare two defaults, neither of which the server may be able to compare, or even to accept."""
    ours, theirs = present.server_default, model.server_default
    if not isinstance(ours, DefaultClause) or not isinstance(theirs, DefaultClause):
        return PriorityDispatchResult.CONTINUE
    if model is model.table.autoincrement_column:  # SERIAL, which has one that no model says
        return PriorityDispatchResult.CONTINUE
    connection = context.connection
    assert connection is not None
    before = default(connection, trial.quoted(connection, schema, table), name)
    with trial.copied(connection, schema, table) as copy:
        accepted = trial.accepts(connection, ColumnDefault(table, name, theirs, schema=trial.SCHEMA))
        if not accepted or default(connection, copy, name) != before:
            log.info("Detected changed default of '%s.%s'", table, name)
            change.modify_server_default = theirs
    return PriorityDispatchResult.STOP


def default(connection: Connection, table: str, column: str) -> str | None:
    """Return the default of a column as the server writes it."""
    found: str | None = connection.scalar(DEFAULT, {"table": table, "column": column})
    return found


def compare_type(
    context: AutogenContext,
    _change: ops.AlterColumnOp,
    _schema: str | None,
    _table: str,
    _name: str,
    present: Column[Any],
    model: Column[Any],
) -> PriorityDispatchResult:
    """Stop the comparison of an enum or a domain with itself, called with its schema and without."""
    connection = context.connection
    assert connection is not None
    if any(named_types(model.type, connection.dialect)):
        one, other = (trial.unescaped(each.type.compile(connection.dialect)) for each in (present, model))
        if connection.scalar(ONE_TYPE, {"one": one, "other": other}):
            return PriorityDispatchResult.STOP
    return PriorityDispatchResult.CONTINUE


def setup(plugin: Plugin) -> None:
    """Register the comparators, before those that compare the spelling."""
    plugin.add_autogenerate_comparator(compare_default, "column", "server_default", qualifier="postgresql")
    plugin.add_autogenerate_comparator(compare_type, "column", "types", qualifier="postgresql")
