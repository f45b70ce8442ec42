"""Compare the type of a column, and the source of its values, as the server knows both.

Alembic itself sets and drops defaults. This module writes the changes of a column that is or was an
identity, serial or generated.
"""

import logging
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import Column, FetchedValue, Table
from sqlalchemy.dialects.postgresql import DOMAIN

from migrate.autogenerate import sources
from migrate.autogenerate.enums import native
from migrate.autogenerate.states import tables
from migrate.autogenerate.trial import quoted

log = logging.getLogger(__name__)


def unsaid(model: Column[Any]) -> bool:
    """Return whether a model says that the database gives a column its values, but not how."""
    return type(model.server_default) is FetchedValue


def compare_type(
    context: AutogenContext,
    change: ops.AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    present: Column[Any],
    model: Column[Any],
) -> PriorityDispatchResult:
    """Compare two types, with their collations."""
    change.existing_type = present.type
    scope = context.opts.get("scope")
    if scope and scope.of_parent(schema, table, name):
        return PriorityDispatchResult.STOP
    before, after = tables(context).states(schema, table, model.table)
    new = after.columns.get(name)
    if new is None or new.type_with_collation != before.columns[name].type_with_collation:
        log.info("Detected changed type of '%s.%s'", table, name)
        change.modify_type = model.type
    return PriorityDispatchResult.STOP


def compare_default(
    context: AutogenContext,
    change: ops.AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    present: Column[Any],
    model: Column[Any],
) -> PriorityDispatchResult:
    """Compare two defaults, even if the server cannot compare or does not accept them."""
    change.existing_server_default = present.server_default
    if unsaid(model):
        return PriorityDispatchResult.STOP
    before, after = tables(context).states(schema, table, model.table)
    old, new = before.columns[name], after.columns.get(name)
    if new is None or (old.plain and new.plain):
        default = new.default if new else None
        if default != old.default or (default is None and sources.has_default(model)):
            log.info("Detected changed default of '%s.%s'", table, name)
            change.modify_server_default = model.server_default
    return PriorityDispatchResult.STOP


def compare_nullable(
    context: AutogenContext,
    change: ops.AlterColumnOp,
    schema: str | None,
    table: str,
    name: str,
    present: Column[Any],
    model: Column[Any],
) -> PriorityDispatchResult:
    """Compare NOT NULL of a column whose domain is: SQLAlchemy reflects the column as NOT NULL then."""
    assert context.connection is not None
    if present.nullable:
        return PriorityDispatchResult.CONTINUE
    type_ = native(model.type, context.connection.dialect)
    by_domain = isinstance(type_, DOMAIN) and type_.not_null
    required = tables(context).states(schema, table, model.table).present.columns[name].required
    if required and not by_domain:
        return PriorityDispatchResult.CONTINUE
    change.existing_nullable = not required
    if not required and not by_domain and not model.nullable:
        change.modify_nullable = False
    return PriorityDispatchResult.STOP


def compare_sources(
    context: AutogenContext,
    changes: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    present: Table | None,
    model: Table | None,
) -> PriorityDispatchResult:
    """Add to a table's changes those that make a column identity, serial or generated, or undo that."""
    if present is None or model is None:
        return PriorityDispatchResult.CONTINUE
    before, after = tables(context).states(schema, name, model)
    left = {column.name for column in model.columns if unsaid(column)}
    for column in before.columns.keys() & after.columns.keys() - left:
        old, new = before.columns[column], after.columns[column]
        if old.plain and new.plain:
            continue
        assert context.connection is not None
        place = sources.Place(quoted(context.connection, schema, name), (schema, name), column)
        found = list(sources.changes(context.connection, place, old, new))
        if found:
            log.info("Detected changed source of the values of '%s.%s'", name, column)
        changes.ops += found
    for op in [op for op in changes.ops if isinstance(op, ops.AddColumnOp)]:
        added = after.columns.get(op.column.name)
        if added and added.serial:
            assert context.connection is not None
            place = sources.Place(quoted(context.connection, schema, name), (schema, name), op.column.name)
            number = changes.ops.index(op)
            changes.ops[number : number + 1] = sources.added(context.connection, place, op.column)
    return PriorityDispatchResult.CONTINUE


def setup(plugin: Plugin) -> None:
    """Register the comparators, before Alembic's, which compare texts."""
    first: dict[str, Any] = {"qualifier": "postgresql", "priority": DispatchPriority.FIRST}
    plugin.add_autogenerate_comparator(compare_type, "column", "types", **first)
    plugin.add_autogenerate_comparator(compare_default, "column", "server_default", **first)
    plugin.add_autogenerate_comparator(compare_nullable, "column", "nullable", **first)
    plugin.add_autogenerate_comparator(compare_sources, "table", "sources", qualifier="postgresql")
