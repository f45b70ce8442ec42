"""Changed indexes, CHECK and unique constraints, which Alembic compares by name and columns.

The server writes expressions down in its own way (`BETWEEN` becomes two comparisons, a
literal gets its type), so texts cannot be compared. The model's are given to the server, on
a copy of the table, and what it makes of them is compared with what it has.
"""

import logging
from collections.abc import Iterable
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import CheckConstraint, Connection, Index, Table, UniqueConstraint, text
from sqlalchemy.schema import AddConstraint, CreateIndex

from migrate.autogenerate import trial

log = logging.getLogger(__name__)

KINDS: dict[type, Any] = {  # as Alembic calls them
    Index: "index",
    CheckConstraint: "check_constraint",
    UniqueConstraint: "unique_constraint",
}

# Access method, columns, operator classes, INCLUDE, NULLS NOT DISTINCT, WITH and WHERE all
# stand after the first USING. An index that is not valid is not what the model asks for.
DEFINITIONS = text("""
    SELECT 'index', relname, split_part(pg_get_indexdef(indexrelid), ' USING ', 2), indisunique, indisvalid
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = CAST(:table AS regclass)
    UNION ALL
    SELECT 'check', conname, pg_get_expr(conbin, conrelid), false, true
    FROM pg_constraint WHERE contype = 'c' AND conrelid = CAST(:table AS regclass)
    UNION ALL
    SELECT 'unique', conname, pg_get_constraintdef(oid), false, true
    FROM pg_constraint WHERE contype = 'u' AND conrelid = CAST(:table AS regclass)
""")


def compare(
    context: AutogenContext,
    changes: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    present: Table | None,
    model: Table | None,
) -> PriorityDispatchResult:
    """Add to the changes of a table each index and CHECK whose definition is another one."""
    if present is not None and model is not None:
        assert context.connection is not None
        reported = {
            getattr(op, "index_name", None) or getattr(op, "constraint_name", None) for op in changes.ops
        }
        for old, new in changed(context.connection, schema, name, present, model):
            if old.name in reported or not context.run_object_filters(
                new, new.name, KINDS[type(new)], False, old
            ):
                continue
            log.info("Detected changed %s %r on %r", KINDS[type(new)], new.name, name)
            if isinstance(new, Index):
                changes.ops += [ops.DropIndexOp.from_index(old), ops.CreateIndexOp.from_index(new)]
            else:
                changes.ops += [
                    ops.DropConstraintOp.from_constraint(old),
                    ops.AddConstraintOp.from_constraint(new),
                ]
    return PriorityDispatchResult.CONTINUE


def changed(
    connection: Connection, schema: str | None, name: str, present: Table, model: Table
) -> Iterable[tuple[Any, Any]]:
    """Yield what both have by one name but define differently: the database's, and the model's."""
    old, new = named(present), named(model)
    both = sorted(old.keys() & new.keys(), key=str)
    if not both:
        return
    # Before the copy, which hides the table.
    ours = definitions(connection, trial.quoted(connection, schema, name))
    with trial.copied(connection, schema, name) as copy:
        for key in both:
            item = new[key]
            ddl = (
                CreateIndex(item)
                if isinstance(item, Index)
                else AddConstraint(item, isolate_from_table=False)
            )
            trial.accepts(connection, ddl, original=model)
        theirs = definitions(connection, copy)
    for key in both:
        # What the server did not accept, because it names a new column, has changed too.
        if ours[key] != theirs.get(key):
            yield old[key], new[key]


def named(table: Table) -> dict[tuple[str, Any], Any]:
    """Return what is compared of a table, by kind and name."""
    items: list[Any] = [*table.indexes, *(item for item in table.constraints if type(item) in KINDS)]
    return {(KINDS[type(item)].split("_")[0], item.name): item for item in items if item.name}


def definitions(connection: Connection, table: str) -> dict[Any, tuple[Any, ...]]:
    """Return what the server says of the indexes and constraints of a table, by kind and name."""
    rows = connection.execute(DEFINITIONS, {"table": table})
    return {(kind, name): tuple(definition) for kind, name, *definition in rows}


def setup(plugin: Plugin) -> None:
    """Register the comparator; Alembic's own come first."""
    plugin.add_autogenerate_comparator(
        compare, "table", "definitions", qualifier="postgresql", priority=DispatchPriority.LAST
    )
