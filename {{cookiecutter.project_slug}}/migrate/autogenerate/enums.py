"""Compare the labels of PostgreSQL's enum types: Alembic does not."""

import logging
from collections.abc import Iterator
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import CommandError, DispatchPriority, PriorityDispatchResult
from sqlalchemy import ARRAY, Connection, Dialect, Table, text
from sqlalchemy.dialects.postgresql import DOMAIN, ENUM
from sqlalchemy.types import TypeDecorator, TypeEngine

from migrate.autogenerate.operations import Rank, Refused, Remark, Statement
from migrate.autogenerate.scenarios import scenario
from migrate.autogenerate.scope import Key
from migrate.autogenerate.trial import literal, quoted

log = logging.getLogger(__name__)

# An extension's enum has no model, but may be the type of a model's column.
LABELS = text("""
    SELECT nullif(nspname, current_schema()), typname,
        ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = pg_type.oid ORDER BY enumsortorder),
        pg_type_is_visible(pg_type.oid), EXISTS (
            SELECT FROM pg_depend
            WHERE classid = 'pg_type'::regclass AND objid = pg_type.oid AND deptype = 'e'
        )
    FROM pg_type JOIN pg_namespace ON pg_namespace.oid = typnamespace
    WHERE typtype = 'e'
""")

# Enums that are used by domains, functions and other objects that are no part of a table.
USED = text("""
    SELECT nullif(nspname, current_schema()), typname
    FROM pg_type JOIN pg_namespace ON pg_namespace.oid = typnamespace
    JOIN pg_depend ON refclassid = 'pg_type'::regclass AND refobjid IN (pg_type.oid, typarray)
    WHERE typtype = 'e' AND objid <> typarray
        AND (classid NOT IN ('pg_class'::regclass, 'pg_attrdef'::regclass, 'pg_constraint'::regclass)
            OR classid = 'pg_constraint'::regclass
                AND EXISTS (SELECT FROM pg_constraint WHERE oid = objid AND contypid <> 0))
""")

# The defaults, constraints and indexes that use an enum, though none of their columns is of it.
CASTS = text("""
    SELECT nullif(type_schema.nspname, current_schema()), typname,
        nullif(table_schema.nspname, current_schema()), pg_class.relname, used.name
    FROM pg_type
    JOIN pg_namespace AS type_schema ON type_schema.oid = typnamespace
    JOIN pg_depend AS d ON refclassid = 'pg_type'::regclass AND refobjid IN (pg_type.oid, typarray)
    JOIN (
        SELECT 'pg_attrdef'::regclass, pg_attrdef.oid, adrelid, attname
        FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
        UNION ALL SELECT 'pg_constraint'::regclass, oid, conrelid, conname FROM pg_constraint
        UNION ALL SELECT 'pg_class'::regclass, indexrelid, indrelid, relname
        FROM pg_index JOIN pg_class ON oid = indexrelid
    ) AS used (kind, id, relid, name) ON kind = d.classid AND id = d.objid
    JOIN pg_class ON pg_class.oid = relid
    JOIN pg_namespace AS table_schema ON table_schema.oid = relnamespace
    WHERE typtype = 'e' AND NOT relispartition AND NOT EXISTS (
        SELECT FROM pg_depend AS own JOIN pg_attribute ON attrelid = own.refobjid AND attnum = own.refobjsubid
        WHERE own.classid = d.classid AND own.objid = d.objid AND own.refclassid = 'pg_class'::regclass
            AND atttypid IN (pg_type.oid, typarray)
    )
""")

# Columns of the type itself, or of an array of it. Those of a partition go with those of its parent.
COLUMNS = text("""
    SELECT nullif(type_schema.nspname, current_schema()), typname,
        nullif(table_schema.nspname, current_schema()), relname, attname
    FROM pg_type
    JOIN pg_namespace AS type_schema ON type_schema.oid = typnamespace
    JOIN pg_attribute ON atttypid IN (pg_type.oid, typarray) AND NOT attisdropped
    JOIN pg_class ON pg_class.oid = attrelid
    JOIN pg_namespace AS table_schema ON table_schema.oid = relnamespace
    WHERE typtype = 'e' AND relkind IN ('r', 'p', 'f', 'v', 'm', 'c') AND NOT relispartition
""")


class AddedLabel(Statement):
    """A label that the models have and the database does not have."""

    def reverse(self) -> ops.MigrateOperation:  # type: ignore[override]
        return Remark(
            "PostgreSQL cannot drop a label: it stays, and does no harm to the next upgrade (Rollback: "
            f"irreversible). To remove it, {scenario('remove a label')}."
        )


def compare(
    context: AutogenContext, changes: ops.UpgradeOps, schemas: set[str | None]
) -> PriorityDispatchResult:
    """Add the changes that give the enums the models' labels, and drop enums that are not used.

    Raises:
        CommandError: two columns give one enum different labels.
    """
    assert context.connection is not None
    present: dict[Key, list[str]] = {}
    ours: dict[Key, set[Key]] = {}
    for schema, type_, labels, visible, of_extension in context.connection.execute(LABELS):
        present[schema, type_] = labels
        if visible:
            present[None, type_] = labels
        if schema in schemas and not of_extension:
            ours[schema, type_] = {(schema, type_), *[(None, type_)] * visible}
    wanted: dict[Key, list[str]] = {}
    named: set[Key] = set()
    for key, labels in of_models(context):
        named.add(key)
        if labels is not None and wanted.setdefault(key, labels) != labels:
            raise CommandError(
                f"the models give the enum {quoted(context.connection, *key)} the labels "
                f"{', '.join(wanted[key])} and elsewhere {', '.join(labels)}: let them be the same, or give "
                "one another name"
            )
    changes.ops[:0] = [
        op
        for key, labels in sorted(wanted.items(), key=str)
        if key in present and labels != present[key]
        for op in relabel(quoted(context.connection, *key), present[key], labels)
    ]
    unused = {key for key, names in ours.items() if not names & named}
    for key in sorted(unused - in_use(context.connection, changes), key=str):
        name = quoted(context.connection, *key)
        remark = f"drops the type {name}, which no column uses any more."
        changes.ops.append(
            Statement(f"DROP TYPE {name}", create(name, present[key]), remark=remark, rank=Rank.DROP_TYPE)
        )
    return PriorityDispatchResult.CONTINUE


def of_models(context: AutogenContext) -> Iterator[tuple[Key, list[str] | None]]:
    """Yield the enum types of the models' columns, with their labels, if these are the models' business."""
    assert context.connection is not None
    dialect = context.connection.dialect
    for table in compared(context):
        for column in table.columns:
            for enum in named_types(column.type, dialect):
                if isinstance(enum, ENUM):
                    schema = None if enum.schema == dialect.default_schema_name else enum.schema
                    yield (schema, str(enum.name)), list(enum.enums) if enum.create_type else None


def compared(context: AutogenContext) -> Iterator[Table]:
    """Yield the models' tables, without the ignored ones."""
    for table in context.sorted_tables:
        if context.run_object_filters(table, table.name, "table", False, None):
            yield table


def named_types(type_: TypeEngine[Any], dialect: Dialect) -> Iterator[ENUM | DOMAIN]:
    """Yield the named types, enums and domains, that a type is made of."""
    type_ = native(type_, dialect)
    if isinstance(type_, ARRAY):
        yield from named_types(type_.item_type, dialect)
    if isinstance(type_, DOMAIN):
        yield from named_types(type_.data_type, dialect)
    if isinstance(type_, ENUM | DOMAIN):
        yield type_


def native(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Return the PostgreSQL form of a type."""
    type_ = type_.dialect_impl(dialect)
    while isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance.dialect_impl(dialect)
    return type_


def relabel(name: str, present: list[str], wanted: list[str]) -> Iterator[ops.MigrateOperation]:
    """Yield the statements that add the missing labels, or a refusal."""
    if [label for label in wanted if label in present] != present:
        yield changed(name, present, wanted)
        return
    log.info("Detected added labels of the type %s", name)
    for number, label in enumerate(wanted):
        if label not in present:
            place = f" AFTER {literal(wanted[number - 1])}" if number else ""
            if not number and present:
                place = f" BEFORE {literal(present[0])}"
            yield AddedLabel(f"ALTER TYPE {name} ADD VALUE IF NOT EXISTS {literal(label)}{place}")


def changed(name: str, present: list[str], wanted: list[str]) -> Refused:
    """Return the refusal of a change of labels that autogenerate cannot write."""
    gone = [label for label in present if label not in wanted]
    what = f"the models lack {', '.join(map(repr, gone))}" if gone else "the models order them differently"
    return Refused(
        f"enum {name}: the database has the labels {', '.join(present)}, {what}. Autogenerate "
        f"only adds labels: to rename one, {scenario('rename a label')}; to remove one, "
        f"{scenario('remove a label')}; a new order is a new type, made in the same way"
    )


def in_use(connection: Connection, changes: ops.UpgradeOps) -> set[Key]:
    """Return the enum types of what the changes do not touch."""
    tables, columns = set(), set()
    others: set[tuple[Any, ...]] = set()
    for op in flat(changes):
        if isinstance(op, ops.DropTableOp):
            tables.add((op.schema, op.table_name))
        elif isinstance(op, ops.DropColumnOp) or (
            isinstance(op, ops.AlterColumnOp) and op.modify_type is not None
        ):
            columns.add((op.schema, op.table_name, op.column_name))
        elif isinstance(op, ops.AlterColumnOp) and op.modify_server_default is not False:
            others.add((op.schema, op.table_name, op.column_name))
        elif isinstance(op, ops.DropConstraintOp):
            others.add((op.schema, op.table_name, op.constraint_name))
        elif isinstance(op, ops.DropIndexOp):
            others.add((op.schema, op.table_name, op.index_name))
    in_columns = {
        (schema, name)
        for schema, name, *column in connection.execute(COLUMNS)
        if tuple(column) not in columns and tuple(column[:2]) not in tables
    }
    in_casts = {
        (schema, name)
        for schema, name, *used in connection.execute(CASTS)
        if tuple(used) not in others | columns and tuple(used[:2]) not in tables
    }
    return in_columns | in_casts | {(schema, name) for schema, name in connection.execute(USED)}


def flat(operation: ops.OpContainer) -> Iterator[ops.MigrateOperation]:
    """Yield the operations; those on one table without their container."""
    for op in operation.ops:
        if isinstance(op, ops.OpContainer):
            yield from flat(op)
        else:
            yield op


def create(name: str, labels: list[str]) -> str:
    return f"CREATE TYPE {name} AS ENUM ({', '.join(map(literal, labels))})"


def setup(plugin: Plugin) -> None:
    """Register the comparator, after those that find dropped tables and columns."""
    plugin.add_autogenerate_comparator(compare, "schema", "enums", priority=DispatchPriority.LAST)
