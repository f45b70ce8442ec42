"""The order of a revision's changes: each finds the objects that it needs, up and down."""

from copy import copy
from typing import Any

from alembic.operations import ops
from sqlalchemy import (
    CheckConstraint,
    Column,
    Constraint,
    Dialect,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.schema import AddConstraint

from migrate.alembic_internals import is_of_type, made, untyped
from migrate.autogenerate.changes import table_of
from migrate.autogenerate.definitions import by_name
from migrate.autogenerate.enums import native
from migrate.autogenerate.keys import waits
from migrate.autogenerate.operations import ADDED, Rank, Statement
from migrate.autogenerate.review import Review
from migrate.autogenerate.trial import quoted, sql
from migrate.autogenerate.undo import STATISTICS, constraint

Operations = list[ops.MigrateOperation]

NUMBER = text(
    "SELECT attnum FROM pg_attribute WHERE attrelid = CAST(:table AS regclass) AND attname = :column"
)


def ordered(changes: Operations, review: Review) -> Operations:
    """Return the changes in order. Foreign keys that make a cycle of tables are changes of their own."""
    changes = [*cut(parents_first(changes, review), review), *cycles(review), *statistics(changes, review)]
    dropped = review.children_first()

    def key(change: ops.MigrateOperation) -> tuple[int, int, int]:
        place = parents = 0
        if isinstance(change, ops.DropTableOp):
            place = dropped.index(table_of(change))
        elif isinstance(change, ops.DropColumnOp):
            # The last one first: then the downgrade restores their order.
            names = {"table": quoted(review.connection, *table_of(change)), "column": change.column_name}
            place = -review.connection.scalar(NUMBER, names)
            parents = review.parents(change)  # which lose the column before their children
        elif isinstance(change, ops.AddColumnOp):
            parents = -review.parents(change)
        elif isinstance(change, ops.DropConstraintOp | ops.DropIndexOp):  # a foreign key before what it needs
            place = getattr(change, "constraint_type", None) != "foreignkey"
        elif isinstance(change, ops.CreateForeignKeyOp):
            place = 1
        return rank(change, review), parents, place

    return sorted(changes, key=key)


def parents_first(changes: Operations, review: Review) -> Operations:
    """Return the changes; of the new tables each comes after those that it inherits from."""
    new = {
        change.table_name: change
        for change in changes
        if isinstance(change, ops.CreateTableOp) and not review.named(change.schema)
    }
    found: Operations = []

    def add(change: ops.MigrateOperation, *children: ops.MigrateOperation) -> None:
        parents = change.kw.get("postgresql_inherits") if isinstance(change, ops.CreateTableOp) else None
        for parent in (parents,) if isinstance(parents, str) else parents or ():
            if parent in new and new[parent] not in children:
                add(new[parent], change, *children)
        if change not in found:
            found.append(change)

    for change in changes:
        add(change)
    return found


def rank(change: ops.MigrateOperation, review: Review) -> Rank:
    """Return the place of a change in the order."""
    match change:
        case Statement():
            return change.rank
        case ops.CreateTableOp():
            return Rank.CREATE_TABLE
        case ops.DropConstraintOp() | ops.DropIndexOp():
            return Rank.DROP_CONSTRAINT
        case ops.DropColumnOp():
            return Rank.DROP_GENERATED if change.reverse().column.computed is not None else Rank.DROP_COLUMN
        case ops.AddColumnOp():
            return Rank.ADD_COLUMN
        case ops.AddConstraintOp() | ops.CreateIndexOp():
            # A new table gets its constraints at once, before other tables refer to it.
            return Rank.ADD_CONSTRAINT if review.lives(change) else Rank.CREATE_TABLE
        case ops.DropTableOp():
            return Rank.DROP_TABLE
    return Rank.ALTER_COLUMN


def cut(changes: Operations, review: Review) -> Operations:
    """Return the changes; parts that a new table cannot be created with are changes of their own.

    These are a foreign key to what is created later, or with `use_alter`, an exclusion constraint,
    because Alembic writes only a part of it, and a unique constraint on the columns of another key.
    The CHECK of an Enum or a Boolean becomes one of the table: Alembic leaves it to the type.
    """
    new = [change for change in changes if isinstance(change, ops.CreateTableOp)]
    created = {table_of(change) for change in new}
    there: set[tuple[str | None, str]] = set()
    dialect = review.connection.dialect
    later: Operations = []
    for change in new:
        there.add(table_of(change))
        again = repeated(change)
        for item in list(change.columns):
            if isinstance(item, Constraint) and not made(item, dialect):
                change.columns = [each for each in change.columns if each is not item]
            elif isinstance(item, ExcludeConstraint) or (
                isinstance(item, UniqueConstraint) and item in again
            ):
                change.columns = [each for each in change.columns if each is not item]
                added = sql(review.connection, AddConstraint(item, isolate_from_table=False))
                later.append(Statement(added, rank=Rank.CREATE_TABLE))
                later[-1].info[ADDED] = item
            elif isinstance(item, CheckConstraint) and is_of_type(item):
                own = untyped(item, dialect)
                change.columns = [own if each is item else each for each in change.columns]
            elif isinstance(item, ForeignKeyConstraint):
                referred = (review.named(item.referred_table.schema), item.referred_table.name)
                key = ops.CreateForeignKeyOp.from_constraint(item)
                early = referred in created and referred not in there
                if item.use_alter or early or waits(key, review):
                    change.columns = [each for each in change.columns if each is not item]
                    key.kw.pop("use_alter", None)
                    key.info[ADDED] = item
                    later.append(key)
        change.columns = [
            unnumbered(each) if isinstance(each, Column) and taken_for_serial(each, change, dialect) else each
            for each in change.columns
        ]
    return [*changes, *later]


def repeated(change: ops.CreateTableOp) -> list[UniqueConstraint]:
    """Return the unique constraints of a new table on the columns of another key.

    CREATE TABLE would make one of the two, without a word.
    """
    seen = [each.columns.keys() for each in change.columns if isinstance(each, PrimaryKeyConstraint)]
    found = []
    for item in by_name(each for each in change.columns if isinstance(each, UniqueConstraint)):
        if item.columns.keys() in seen:
            found.append(item)
        seen.append(item.columns.keys())
    return found


def taken_for_serial(column: Column[Any], change: ops.CreateTableOp, dialect: Dialect) -> bool:
    """Return whether SQLAlchemy would make a new table's column serial that is none in the models.

    It has a default there, which a revision has not, or a foreign key, which is added later.
    """
    if list(column.table.primary_key) != [column] or column.server_default is not None:
        return False
    if not isinstance(native(column.type, dialect), Integer):
        return False
    if column.default is not None:
        return not getattr(column.default, "optional", False)
    keys = (each for each in change.columns if isinstance(each, ForeignKeyConstraint))
    return bool(column.foreign_keys) and not any(column.key in key.column_keys for key in keys)


def unnumbered(column: Column[Any]) -> Column[Any]:
    """Return a column that SQLAlchemy does not make serial."""
    other = copy(column)
    other.autoincrement = False
    return other


def cycles(review: Review) -> Operations:
    """Return the statements that drop the foreign keys which must go before their tables."""
    found: Operations = []
    for table, name in review.held:
        place, key = quoted(review.connection, *table), quoted(review.connection, None, name)
        found.append(
            Statement(
                f"ALTER TABLE {place} DROP CONSTRAINT {key}",
                *filter(None, constraint(review.connection, place, name)),
                rank=Rank.DROP_CONSTRAINT,
            )
        )
    return found


def statistics(changes: Operations, review: Review) -> Operations:
    """Return the statements that drop the extended statistics of dropped columns."""
    found = {}
    for change in changes:
        if isinstance(change, ops.DropColumnOp):
            place = {"table": quoted(review.connection, *table_of(change)), "column": change.column_name}
            for name, definition in review.connection.execute(STATISTICS, place):
                found[name] = Statement(f"DROP STATISTICS {name}", *definition, rank=Rank.DROP_CONSTRAINT)
    return list(found.values())
