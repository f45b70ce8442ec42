"""Refuse models that give one name to two things where PostgreSQL has room for one of that name."""

from collections.abc import Iterator
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import CommandError, DispatchPriority, PriorityDispatchResult
from sqlalchemy import Dialect, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import ENUM, ExcludeConstraint

from migrate.alembic_internals import final_name, made, sequences_of
from migrate.autogenerate.enums import compared, named_types
from migrate.autogenerate.required import sequences
from migrate.autogenerate.scope import collections
from migrate.autogenerate.sound import what, where

RELATIONS, TYPES, CONSTRAINTS = "tables, indexes and sequences", "tables and types", "constraints"

Place = tuple[str, str, str | None]  # of what a name is, where it must be the only one, and the name


def compare(context: AutogenContext, _changes: ops.UpgradeOps) -> PriorityDispatchResult:
    """Look for names that two things have.

    Raises:
        CommandError: there is one.
    """
    default = context.dialect.default_schema_name or ""
    known: dict[Place, tuple[Any, str]] = {
        (RELATIONS, each.schema or default, each.name): ("sequence", f"the sequence {each.name}")
        for metadata in collections(context.metadata)
        for each in sequences_of(metadata)
    }
    for table in compared(context):
        for place, item, called in named(table, context.dialect):
            first, called_first = known.setdefault(place, (item, called))
            if first != item:
                kind, inside, name = place
                raise CommandError(
                    f"{where(table)}{called} and {called_first} have the name {name}, and the {kind} of "
                    f"{inside} need names of their own (a long one is cut): give one of the two another"
                )
    return PriorityDispatchResult.CONTINUE


def named(table: Table, dialect: Dialect) -> Iterator[tuple[Place, Any, str]]:
    """Yield what has a name in or with a table: its place, the thing, and what to call it.

    Of a type or a sequence, which several columns may have, the thing is the kind.
    """

    def schema(of: Any) -> str:
        return of.schema or dialect.default_schema_name or ""

    for of in (RELATIONS, TYPES):
        yield (of, schema(table), table.name), table, f"the table {table.fullname}"
    for column in table.columns:
        for sequence in sequences(column):
            yield (RELATIONS, schema(sequence), sequence.name), "sequence", f"the sequence {sequence.name}"
        for type_ in named_types(column.type, dialect):
            kind = "enum" if isinstance(type_, ENUM) else "domain"
            yield (TYPES, schema(type_), type_.name), kind, f"the {kind} of {table.fullname}.{column.name}"
    indexes = (index for index in table.indexes if made(index, dialect))
    for index in sorted(indexes, key=lambda index: what(index, table)):
        yield (RELATIONS, schema(table), final_name(index, dialect)), index, what(index, table)
    for item in sorted(table.constraints, key=lambda item: what(item, table)):
        if not made(item, dialect) or (isinstance(item, PrimaryKeyConstraint) and not item.columns):
            continue
        if name := final_name(item, dialect):  # only a primary key may have none
            yield (CONSTRAINTS, table.fullname, name), item, what(item, table)
            if isinstance(item, PrimaryKeyConstraint | UniqueConstraint | ExcludeConstraint):
                yield (RELATIONS, schema(table), name), item, what(item, table)


def setup(plugin: Plugin) -> None:
    """Register the comparator, after the one that looks for other faults of the models."""
    plugin.add_autogenerate_comparator(compare, "autogenerate", "names", priority=DispatchPriority.FIRST)
