"""What has to be there before a table of the models: its schema, its sequences, its domains.

Alembic creates none of them. Here none is ever changed or dropped but by the downgrade of
the revision that creates it: others may have come to use it.
"""

import logging
from collections.abc import Iterator

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import Column, Connection, Sequence, text
from sqlalchemy.dialects.postgresql import DOMAIN, CreateDomainType
from sqlalchemy.schema import CreateSequence, DefaultClause, ExecutableDDLElement
from sqlalchemy.sql.functions import next_value

from migrate.autogenerate.enums import compared, named_types
from migrate.autogenerate.operations import Statement
from migrate.autogenerate.trial import quoted, unescaped

log = logging.getLogger(__name__)

# Each by its schema and, where it is visible without, by its name alone.
PRESENT = text("""
    SELECT 'SCHEMA', NULL, nspname::text, false FROM pg_namespace
    UNION ALL
    SELECT 'SEQUENCE', nspname, relname, pg_table_is_visible(c.oid)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace WHERE relkind = 'S'
    UNION ALL
    SELECT 'DOMAIN', nspname, typname, pg_type_is_visible(t.oid)
    FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = typnamespace WHERE typtype = 'd'
""")

Thing = tuple[str, str | None, str]  # kind, schema, name


def compare(context: AutogenContext, changes: ops.UpgradeOps) -> PriorityDispatchResult:
    """Put before the other changes what creates that which they need."""
    connection = context.connection
    assert connection is not None
    present: set[Thing] = set()
    for kind, schema, name, visible in connection.execute(PRESENT):
        present |= {(kind, schema, name), (kind, None, name)} if visible else {(kind, schema, name)}
    created = {thing: sql for thing, sql in needed(context, connection) if thing not in present}
    for kind, schema, name in created:
        log.info("Detected missing %s %r", kind.lower(), ".".join(filter(None, [schema, name])))

    def statements(*kinds: str) -> list[ops.MigrateOperation]:
        return [
            Statement(sql, f"DROP {kind} {quoted(connection, schema, name)}")
            for (kind, schema, name), sql in created.items()
            if kind in kinds
        ]

    # A domain may be of an enum, whose statement is there already.
    enums = next((n for n, op in enumerate(changes.ops) if not isinstance(op, Statement)), len(changes.ops))
    changes.ops[enums:enums] = statements("DOMAIN", "SEQUENCE")
    changes.ops[:0] = statements("SCHEMA")
    return PriorityDispatchResult.CONTINUE


def needed(context: AutogenContext, connection: Connection) -> Iterator[tuple[Thing, str]]:
    """Yield what the models' tables need, with the statements that create it."""

    def schema(name: str | None) -> Iterator[tuple[Thing, str]]:
        if name:
            yield ("SCHEMA", None, name), f"CREATE SCHEMA {quoted(connection, None, name)}"

    def created(statement: ExecutableDDLElement) -> str:
        return unescaped(str(statement.compile(dialect=connection.dialect))).strip()

    for table in compared(context):
        yield from schema(table.schema)
        for column in table.columns:
            for type_ in named_types(column.type, connection.dialect):
                yield from schema(type_.schema)
                if isinstance(type_, DOMAIN) and type_.create_type:
                    yield ("DOMAIN", type_.schema, str(type_.name)), created(CreateDomainType(type_))
            for sequence in sequences(column):
                yield from schema(sequence.schema)
                yield ("SEQUENCE", sequence.schema, sequence.name), created(CreateSequence(sequence))


def sequences(column: Column[object]) -> Iterator[Sequence]:
    """Yield the sequences that a column takes its values from."""
    if isinstance(column.default, Sequence):
        yield column.default
    if isinstance(column.server_default, DefaultClause) and isinstance(column.server_default.arg, next_value):
        yield column.server_default.arg.sequence


def setup(plugin: Plugin) -> None:
    """Register the comparator, after all others."""
    plugin.add_autogenerate_comparator(compare, "autogenerate", "required", priority=DispatchPriority.LAST)
