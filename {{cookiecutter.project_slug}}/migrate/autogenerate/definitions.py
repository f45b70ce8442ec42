"""Compare indexes and constraints by name, and by their definitions as the server prints them.

Alembic compares foreign keys, but for two facts.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    column,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.schema import AddConstraint
from sqlalchemy.sql.elements import conv
from sqlalchemy.sql.visitors import replacement_traverse

from migrate.alembic_internals import condition, final_name, made
from migrate.autogenerate import trial
from migrate.autogenerate.catalogue import Definition, Key
from migrate.autogenerate.operations import ADDED, Rank, Refused, Statement
from migrate.autogenerate.states import tables

Definitions = dict[Key, Definition]

log = logging.getLogger(__name__)

KINDS: dict[type, str] = {
    Index: "index",
    CheckConstraint: "check",
    UniqueConstraint: "unique",
    ExcludeConstraint: "exclude",
    PrimaryKeyConstraint: "primary",
}

# Their names in Alembic's filters.
FILTERS: dict[str, Any] = {"index": "index", "check": "check_constraint"}


def compare(
    context: AutogenContext,
    changes: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    present: Table | None,
    model: Table | None,
) -> PriorityDispatchResult:
    """Add to a table's changes the differences of its indexes and constraints, except foreign keys."""
    connection = context.connection
    assert connection is not None
    if present is None and model is not None:
        here = [index for index in by_name(model.indexes) if made(index, connection.dialect)]
        changes.ops += [built(index) for index in here]
    if present is None or model is None:  # the indexes and constraints come or go with the table
        return PriorityDispatchResult.STOP
    before, after = (states.definitions for states in tables(context).states(schema, name, model))
    changes.ops += primary_key(connection, schema, model, before, after, changes)
    items = named(model, connection)
    dropped: list[ops.MigrateOperation] = []
    added: list[ops.MigrateOperation] = []
    for key in sorted(before.keys() | items.keys()):
        ours = before.get(key)
        kind = FILTERS.get(key.kind, "unique_constraint")
        if key.kind == "primary":
            continue
        if ours and not context.run_name_filters(key.name, kind, {"table_name": name, "schema_name": schema}):
            continue
        # A definition that the server refused, because it has a new enum label, has changed too.
        if ours and key in items and ours == after.get(key):
            continue
        how = ("changed" if key in items else "removed") if ours else "added"
        log.info("Detected %s %s %r on %r", how, *key, name)
        if ours:
            dropped.append(drop(key, schema, name, ours))
        if key in items:
            added.append(create(connection, key, schema, name, items[key]))
    changes.ops += [*dropped, *added]
    return PriorityDispatchResult.STOP


# What Alembic does not compare of a foreign key.
FOREIGN_KEYS = text("""
    SELECT conname::text, confmatchtype = 'f', pg_get_constraintdef(oid) NOT LIKE '%NOT ENFORCED'
    FROM pg_constraint WHERE contype = 'f' AND conrelid = CAST(:table AS regclass)
""")


def compare_foreign_keys(
    context: AutogenContext,
    changes: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    present: Table | None,
    model: Table | None,
) -> PriorityDispatchResult:
    """Add to a table's changes the foreign keys that differ in nothing but MATCH or NOT ENFORCED."""
    if present is None or model is None:
        return PriorityDispatchResult.CONTINUE
    assert context.connection is not None
    place = {"table": trial.quoted(context.connection, schema, name)}
    facts = {key: tuple(said) for key, *said in context.connection.execute(FOREIGN_KEYS, place)}
    keys = {meant(key): key for key in model.foreign_key_constraints}
    gone = {op.constraint_name for op in changes.ops if isinstance(op, ops.DropConstraintOp)}
    reflected = {str(key.name): key for key in present.foreign_key_constraints}  # Alembic adds each again
    for known, old in sorted(reflected.items()):
        new = keys.get(meant(old))
        parents: Any = {"table_name": name, "schema_name": schema}
        compared = context.run_name_filters(known, "foreign_key_constraint", parents)
        if new is None or not compared or known in gone:
            continue
        if facts[known] != ((new.match or "").upper() == "FULL", True):
            log.info("Detected changed foreign key %r on %r", known, name)
            changes.ops.append(ops.DropConstraintOp.from_constraint(old))
            changes.ops.append(ops.CreateForeignKeyOp.from_constraint(new))
    return PriorityDispatchResult.CONTINUE


def meant(key: ForeignKeyConstraint) -> tuple[tuple[str, ...], str]:
    """Return the columns of a foreign key, and the table that it refers to, without its schema."""
    return tuple(column.name for column in key.columns), key.elements[0].target_fullname.split(".")[-2]


def by_name(items: Iterable[Any]) -> list[Any]:
    return sorted(items, key=lambda item: str(item.name))


def named(table: Table, connection: Connection) -> dict[Key, Any]:
    """Return the compared indexes and constraints of a table, by kind and name in the database."""
    found = {}
    item: Any
    for item in (*table.indexes, *table.constraints):
        kind = next((kind for type_, kind in KINDS.items() if isinstance(item, type_)), None)
        name = final_name(item, connection.dialect) if kind and made(item, connection.dialect) else None
        if kind and name:
            found[Key(kind, name)] = item
    return found


def primary_key(
    connection: Connection,
    schema: str | None,
    model: Table,
    before: Definitions,
    after: Definitions,
    changes: ops.ModifyTableOps,
) -> Iterator[ops.MigrateOperation]:
    """Yield the change of a primary key, or a refusal; its name does not count."""
    old, new = (
        next(((key.name, each.sql) for key, each in found.items() if key.kind == "primary"), ("", "none"))
        for found in (before, after)
    )
    if old[1] == new[1]:
        return
    place = trial.quoted(connection, schema, model.name)
    if old[1] == "none":
        new_name = trial.quoted(connection, None, new[0])
        added = Statement(
            f"ALTER TABLE {place} ADD CONSTRAINT {new_name} {new[1]}",
            f"ALTER TABLE {place} DROP CONSTRAINT {new_name}",
            *(
                f"ALTER TABLE {place} ALTER COLUMN {trial.quoted(connection, None, column)} DROP NOT NULL"
                for column in required(model, changes)
            ),
            remark=f"fails if rows of {place} break {new[1]}; no session can use it during the scan.",
            rank=Rank.ADD_CONSTRAINT,
        )
        added.info[ADDED] = model.primary_key
        yield added
        return
    yield Refused(
        f"table {place}: the database has the primary key {old[1]}, the models have {new[1]}. Autogenerate "
        "changes none, because others refer to it: write the revision by hand. A column is renamed by "
        "ALTER TABLE … RENAME COLUMN; for another key, build a unique index concurrently, then ALTER TABLE "
        "… ADD PRIMARY KEY USING INDEX"
    )


def required(model: Table, changes: ops.ModifyTableOps) -> list[str]:
    """Return the columns that a new primary key makes NOT NULL, and take that out of the changes.

    In a revision of its own it would come after the key, and its downgrade before that of the key, for
    which PostgreSQL needs it.
    """
    found = []
    for change in list(changes.ops):
        if isinstance(change, ops.AlterColumnOp) and change.modify_nullable is False:
            if change.column_name not in [column.name for column in model.primary_key]:
                continue
            change.modify_nullable = None
            found.append(change.column_name)
            if not change.has_changes():
                changes.ops.remove(change)
    return found


def drop(key: Key, schema: str | None, table: str, definition: Definition) -> ops.MigrateOperation:
    """Return the operation that drops an index or a constraint."""
    if key.kind == "index":
        index = ops.CreateIndexOp(key.name, table, [], schema=schema, unique=definition.unique)
        return ops.DropIndexOp(key.name, table, schema=schema, _reverse=index)
    back: ops.AddConstraintOp = ops.CreateCheckConstraintOp(key.name, table, "true", schema=schema)
    if key.kind == "unique":
        back = ops.CreateUniqueConstraintOp(key.name, table, [], schema=schema)
    kind = key.kind if key.kind != "exclude" else None  # which Alembic does not know
    return ops.DropConstraintOp(conv(key.name), table, kind, schema=schema, _reverse=back)


def create(
    connection: Connection, key: Key, schema: str | None, table: str, item: Any
) -> ops.MigrateOperation:
    """Return the operation that adds an index or a constraint."""
    if key.kind == "index":
        return built(item)
    if key.kind == "check":
        check = ops.CreateCheckConstraintOp.from_constraint(item)
        check.condition = condition(item, connection.dialect)
        return check
    if key.kind == "unique":
        unique = ops.CreateUniqueConstraintOp.from_constraint(item)
        if unique.kw.get("postgresql_include"):
            unique.kw["postgresql_include"] = included(item)
        return unique
    return excluded(connection, item, schema, table)


def built(index: Index) -> ops.CreateIndexOp:
    """Return the operation that builds an index; its options name columns, which in models may have keys."""
    op = ops.CreateIndexOp.from_index(index)
    assert index.table is not None
    op.columns = [each if isinstance(each, Column) else unkeyed(each) for each in op.columns]
    columns = index.table.columns
    if op.kw.get("postgresql_include"):
        op.kw["postgresql_include"] = included(index)
    if given := op.kw.get("postgresql_ops"):
        op.kw["postgresql_ops"] = {
            columns[key].name if key in columns else key: operators for key, operators in given.items()
        }
    return op


def unkeyed(expression: Any) -> Any:
    """Return an expression with its columns by name: Alembic adds one that has a key twice to a table."""

    def named(element: Any, **_: Any) -> Any:
        return column(element.name, element.type) if isinstance(element, Column) else None

    return replacement_traverse(expression, {}, named)


def included(item: Index | UniqueConstraint | PrimaryKeyConstraint) -> list[str]:
    """Return the names of the columns that an index, or that of a key, has besides its own."""
    assert item.table is not None
    include = item.dialect_options["postgresql"]["include"] or ()
    return [(item.table.columns[each] if isinstance(each, str) else each).name for each in include]


def excluded(connection: Connection, item: ExcludeConstraint, schema: str | None, table: str) -> Statement:
    """Return the statement that adds an exclusion constraint: Alembic writes only a part of it."""
    name = trial.quoted(connection, None, str(final_name(item, connection.dialect)))
    added = Statement(
        trial.sql(connection, AddConstraint(item, isolate_from_table=False)),
        f"ALTER TABLE {trial.quoted(connection, schema, table)} DROP CONSTRAINT {name}",
        remark=f"fails if rows of {table} break {name}; no session can write while its index is built.",
        rank=Rank.ADD_CONSTRAINT,
    )
    added.info[ADDED] = item
    return added


def setup(plugin: Plugin) -> None:
    """Register the comparators: one instead of Alembic's own, one after it."""
    plugin.add_autogenerate_comparator(
        compare, "table", "indexes", qualifier="postgresql", priority=DispatchPriority.FIRST
    )
    plugin.add_autogenerate_comparator(
        compare_foreign_keys, "table", "matches", qualifier="postgresql", priority=DispatchPriority.LAST
    )
