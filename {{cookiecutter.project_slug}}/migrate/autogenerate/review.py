"""What whoever reviews a revision must know before it runs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from alembic.ddl.base import AddColumn
from alembic.operations import ops
from sqlalchemy import Connection, DateTime, text
from sqlalchemy.dialects import registry
from sqlalchemy.schema import ExecutableDDLElement, Table
from sqlalchemy.types import TypeEngine

from migrate.autogenerate import trial
from migrate.autogenerate.operations import Remark, Statement
from migrate.autogenerate.scenarios import scenario
from migrate.autogenerate.scope import Key

PRESENT = text("""
    SELECT nullif(nspname, current_schema()), relname, pg_table_is_visible(c.oid),
        relkind = 'p', greatest(reltuples, 0)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p')
""")

REFERENCES = text("""
    SELECT conrelid::bigint, confrelid::bigint FROM pg_constraint
    WHERE contype = 'f' AND conrelid = ANY (:tables) AND confrelid = ANY (:tables) AND conrelid <> confrelid
""")

DIALECT = registry.load("postgresql")()

# How a constraint is replaced, by its kind.
CHANGED_CONSTRAINT = {
    "check": "change a check",
    "foreignkey": "change a foreign key",
    "unique": "change a unique constraint",
}


@dataclass(frozen=True)
class Present:
    """A table that the database has.

    Attributes:
        partitioned: it is split into partitions.
        rows: how many the planner believes it has; 0 where it does not know.
    """

    partitioned: bool
    rows: float


def tables(connection: Connection) -> dict[Key, Present]:
    """Return the tables of the database, one that is visible without a schema by both its names."""
    found = {}
    default = connection.dialect.default_schema_name
    for schema, name, visible, *facts in connection.execute(PRESENT):
        found[schema or default, name] = Present(*facts)
        if visible:
            found[None, name] = Present(*facts)
    return found


def table_of(op: ops.MigrateOperation) -> Key:
    """Return the table that an operation is about."""
    if isinstance(op, ops.CreateForeignKeyOp):
        return op.kw.get("source_schema"), op.source_table
    return getattr(op, "schema", None), getattr(op, "table_name", None) or ""


def called(op: ops.MigrateOperation) -> str:
    """Return the name of the table that an operation is about, for people."""
    return ".".join(filter(None, table_of(op)))


class Review:
    """A look at some changes, with the database at hand."""

    def __init__(self, connection: Connection, changes: list[ops.MigrateOperation]) -> None:
        """Look at the tables of the database."""
        self.connection, self.changes = connection, changes
        self.default = connection.dialect.default_schema_name or ""
        self.tables = tables(connection)
        self.dropped = {table_of(op) for op in changes if isinstance(op, ops.DropTableOp)}

    def same_table(self, op: ops.MigrateOperation, other: ops.MigrateOperation) -> bool:
        """Return whether two operations are about one table, which models may call by either name."""
        schemas, names = zip(table_of(op), table_of(other), strict=True)
        return names[0] == names[1] and (schemas[0] or self.default) == (schemas[1] or self.default)

    def children_first(self) -> list[Key]:
        """Return the tables that are dropped, each before those that its foreign keys refer to."""
        oid = text("SELECT CAST(CAST(:table AS regclass) AS bigint)")
        names = {
            self.connection.scalar(oid, {"table": trial.quoted(self.connection, *key)}): key
            for key in sorted(self.dropped, key=str)
        }
        references = self.connection.execute(REFERENCES, {"tables": list(names)}).all()
        children: dict[int, set[int]] = {table: set() for table in names}
        for child, parent in references:
            children[parent].add(child)
        order: list[Key] = []
        # Tables that refer to each other have no order: it is as good as any.
        while children:
            free = [table for table, refer in children.items() if not refer & children.keys()]
            for table in free or list(children)[:1]:
                order.append(names[table])
                del children[table]
        return order

    def lives(self, op: ops.MigrateOperation) -> bool:
        """Return whether it is about a table that is there before and after."""
        return table_of(op) in self.tables and table_of(op) not in self.dropped

    def partitioned(self, op: ops.MigrateOperation) -> bool:
        """Return whether it is about a table with partitions."""
        return table_of(op) in self.tables and self.tables[table_of(op)].partitioned

    def remarks(self, op: ops.MigrateOperation) -> Iterator[Remark]:
        """Yield what is to be said before an operation of an upgrade."""
        match op:
            case ops.DropTableOp():
                yield from self._dropped_table(op)
            case ops.DropColumnOp():
                yield from self._dropped_column(op)
            case ops.DropConstraintOp() if self.lives(op):
                yield self._dropped_constraint(op)
            case ops.DropIndexOp() if self.lives(op):
                yield self._dropped_index(op)
            case Statement() if op.drops:
                yield Remark(f"drops {op.drops}, which no column has any more.")
            case ops.AddColumnOp():
                yield from self._added_column(op)
            case ops.AlterColumnOp() if op.modify_type is not None:
                yield from self._altered_type(op, op.modify_type)
            case ops.CreateIndexOp() | ops.CreateUniqueConstraintOp() if self.partitioned(op):
                yield Remark(
                    f"nobody can write to {called(op)} while each partition gets its index. To build them "
                    f"concurrently, one by one, {scenario('index partitions')}."
                )
            case ops.CreateForeignKeyOp() if self.partitioned(op):
                yield Remark(
                    f"nobody can write to {called(op)} while every partition is read. Add the key to "
                    "each partition first, NOT VALID, and validate it: "
                    f"{scenario('add a foreign key to partitions')}."
                )

    def remarks_on_downgrade(self, op: ops.MigrateOperation) -> Iterator[Remark]:
        """Yield what is to be said before an operation of a downgrade."""
        if isinstance(op, ops.AddColumnOp) and needs_a_value(op):
            yield Remark(
                f"fails if {called(op)} has rows, because the values are gone: let the column be NULL "
                "here, or give it a server_default."
            )
        elif isinstance(op, ops.AddConstraintOp) and self.lives(op):
            yield Remark("fails if rows have come to break it, and nobody can write while they are read.")

    def _dropped_table(self, op: ops.DropTableOp) -> Iterator[Remark]:
        for other in self.changes:
            if isinstance(other, ops.CreateTableOp) and alike(op, other):
                yield self._renamed_table(op, other)
        yield Remark(
            f"drops the table {called(op)} and what it holds{self._rows(op)}. For when and how, "
            f"{scenario('drop a table')}."
        )

    def _renamed_table(self, op: ops.DropTableOp, new: ops.CreateTableOp) -> Remark:
        if op.table_name == new.table_name:
            move = f"ALTER TABLE {trial.quoted(self.connection, *table_of(op))} SET SCHEMA "
            move += trial.quoted(self.connection, None, new.schema or self.default)
            return Remark(
                f"a move? If {called(new)} is what {called(op)} was, use this line in place of the two. It "
                "breaks code that is running.",
                f"op.execute({quoted(move)})",
            )
        return Remark(
            f"a rename? If {called(new)} is what {called(op)} was, use this line in place of the two, or "
            f"see how both names can work for a while: {scenario('rename a table')}.",
            f"op.rename_table({arguments(op.table_name, new.table_name, schema=op.schema)})",
        )

    def _dropped_column(self, op: ops.DropColumnOp) -> Iterator[Remark]:
        old = spelled(op.reverse().column.type)
        for other in self.changes:
            if not isinstance(other, ops.AddColumnOp) or not self.same_table(op, other):
                continue
            new = other.column.name
            if spelled(other.column.type) == old:
                names = arguments(op.table_name, op.column_name, new_column_name=new, schema=op.schema)
                yield Remark(
                    f"a rename? If {new} is what {op.column_name} was, use this line in place of the two. "
                    "It breaks code that is running; for the way that does not, "
                    f"{scenario('replace a column')}.",
                    f"op.alter_column({names})",
                )
        yield Remark(
            f"drops the column {called(op)}.{op.column_name} and what it holds{self._rows(op)}. For when "
            f"and how, {scenario('drop a column')}."
        )

    def _dropped_constraint(self, op: ops.DropConstraintOp) -> Remark:
        added = [
            getattr(other, "constraint_name", None)
            for other in self.changes
            if isinstance(other, ops.AddConstraintOp) and self.same_table(op, other)
        ]
        if op.constraint_name in added:
            slug = CHANGED_CONSTRAINT.get(op.constraint_type or "", CHANGED_CONSTRAINT["check"])
            return Remark(
                f"drops the constraint {op.constraint_name}, to add it as the models have it: "
                f"{scenario(slug)}."
            )
        return Remark(f"drops the constraint {op.constraint_name}: from then on rows may break it.")

    def _dropped_index(self, op: ops.DropIndexOp) -> Remark:
        built = [
            other.index_name
            for other in self.changes
            if isinstance(other, ops.CreateIndexOp) and self.same_table(op, other)
        ]
        if op.index_name in built:
            return Remark(
                f"drops the index {op.index_name}, and queries go without until it is built as the models "
                f"have it. To have the new one first, {scenario('replace an index')}."
            )
        return Remark(
            f"drops the index {op.index_name}: queries that use it will read the whole "
            f"table{self._rows(op)}. To see whether any does, {scenario('drop an index')}."
        )

    def _added_column(self, op: ops.AddColumnOp) -> Iterator[Remark]:
        if needs_a_value(op):
            yield Remark(
                f"fails if {called(op)} has rows{self._rows(op)}; else, old code that inserts some fails. "
                "Give the column a server_default in the models, or let it be NULL first: "
                f"{scenario('require a column')}."
            )
        elif op.column.server_default is not None and self._rewrites(op, added(op)):
            yield Remark(
                f"nobody can read or write {called(op)} while it is written anew{self._rows(op)}. To add "
                f"the column first, then fill it, {scenario('require a column')}."
            )

    def _altered_type(self, op: ops.AlterColumnOp, new: TypeEngine[Any]) -> Iterator[Remark]:
        if isinstance(new, DateTime) and isinstance(op.existing_type, DateTime):
            yield Remark(
                "unless the session's time zone is UTC, the table is written anew, and every instant moves: "
                f"{scenario('add a time zone')}."
            )
            return
        type_ = new.compile(self.connection.dialect)
        column = trial.quoted(self.connection, None, op.column_name)
        copy = trial.quoted(self.connection, trial.SCHEMA, op.table_name)
        rewrites = self._rewrites(op, f"ALTER TABLE {copy} ALTER COLUMN {column} TYPE {type_}")
        if rewrites is None:
            yield Remark(
                f"fails as it stands: PostgreSQL does not know how to make {type_} of {op.column_name}. "
                "Say it with postgresql_using=; then nobody can read or write the table while it is "
                f"written anew. Or {scenario('change a type')}."
            )
        elif rewrites:
            yield Remark(
                f"nobody can read or write {called(op)} while it is written anew{self._rows(op)}. To "
                f"change the type beside the traffic, {scenario('change a type')}."
            )

    def _rewrites(self, op: ops.AlterTableOp, statement: ExecutableDDLElement | str) -> bool | None:
        with trial.copied(self.connection, op.schema, op.table_name) as copy:
            return trial.rewrites(self.connection, copy, statement)

    def _rows(self, op: ops.MigrateOperation) -> str:
        rows = self.tables[table_of(op)].rows if table_of(op) in self.tables else 0
        return f" (about {rows:,.0f} rows)" if rows else ""


def needs_a_value(op: ops.AddColumnOp) -> bool:
    """Return whether a table with rows cannot take the column."""
    return not op.column.nullable and op.column.server_default is None


def added(op: ops.AddColumnOp) -> AddColumn:
    """Return the statement that adds the column to the copy of its table."""
    return AddColumn(op.table_name, op.column, schema=trial.SCHEMA)


def alike(old: ops.DropTableOp, new: ops.CreateTableOp) -> bool:
    """Return whether two tables of one schema, or of one name, have the same columns."""
    related = old.schema == new.schema or old.table_name == new.table_name
    return related and columns(old.to_table()) == columns(new.to_table())


def columns(table: Table) -> dict[str, str]:
    """Return the columns of a table, with their types as SQL."""
    return {column.name: spelled(column.type) for column in table.columns}


def spelled(type_: TypeEngine[Any]) -> str:
    """Return a type as SQL."""
    return type_.compile(DIALECT)


def arguments(*names: str, **options: str | None) -> str:
    """Return the arguments of a call as code, without the options that are None."""
    given = [f"{name}={quoted(value)}" for name, value in options.items() if value is not None]
    return ", ".join([*map(quoted, names), *given])


def quoted(name: str) -> str:
    """Return a name as ruff writes it."""
    return json.dumps(str(name), ensure_ascii=False)
