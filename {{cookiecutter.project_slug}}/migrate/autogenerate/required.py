"""Create what the models' tables need: schemas, extensions, types, domains, sequences; and their views.

Alembic creates none of them. This module never changes them, and only the downgrade of the revision
that creates an object drops it: later, other tables may use it.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from weakref import WeakKeyDictionary

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import CommandError, DispatchPriority, PriorityDispatchResult
from sqlalchemy import CheckConstraint, Column, Connection, Dialect, Sequence, Table, text
from sqlalchemy.dialects.postgresql import DOMAIN, ENUM, CreateDomainType, ExcludeConstraint
from sqlalchemy.schema import CreateSequence, CreateView, DefaultClause
from sqlalchemy.sql.functions import next_value

from migrate.alembic_internals import sequences_of, views
from migrate.autogenerate.enums import compared, create, named_types
from migrate.autogenerate.operations import Rank, Statement
from migrate.autogenerate.scope import collections
from migrate.autogenerate.sound import cut
from migrate.autogenerate.trial import lacking, quoted, sql

log = logging.getLogger(__name__)

# Each by its schema and name; if it is visible without the schema, also by its name alone.
PRESENT = text("""
    SELECT 'SCHEMA', NULL, nspname::text, false FROM pg_namespace
    UNION ALL
    SELECT 'SEQUENCE', nspname, relname, pg_table_is_visible(c.oid)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace WHERE relkind = 'S'
    UNION ALL
    SELECT 'DOMAIN', nspname, typname, pg_type_is_visible(t.oid)
    FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = typnamespace WHERE typtype = 'd'
    UNION ALL
    SELECT 'TYPE', nspname, typname, pg_type_is_visible(t.oid)
    FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = typnamespace WHERE typtype = 'e'
    UNION ALL
    SELECT CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
        nspname, relname, pg_table_is_visible(c.oid)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace WHERE relkind IN ('v', 'm', 'r', 'p')
    UNION ALL
    SELECT 'EXTENSION', NULL, extname, false FROM pg_extension
""")

Thing = tuple[str, str | None, str]  # kind, schema, name
AVAILABLE = text("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = :extension)")

KINDS = ["SCHEMA", "EXTENSION", "TYPE", "DOMAIN", "SEQUENCE"]  # each kind may need the kinds before it
VIEWS = ["VIEW", "MATERIALIZED VIEW"]  # either may need the other, and the tables


def compare(context: AutogenContext, changes: ops.UpgradeOps) -> PriorityDispatchResult:
    """Put the statements that create needed objects before the other changes."""
    statements = missing(context)
    for statement in statements:
        log.info("Detected missing: %s", statement.undo[0].removeprefix("DROP "))
    changes.ops[:0] = statements
    return PriorityDispatchResult.CONTINUE


_missing: WeakKeyDictionary[AutogenContext, list[Statement]] = WeakKeyDictionary()


def missing(context: AutogenContext) -> list[Statement]:
    """Return what `_find_missing` finds, which is looked for once in a comparison."""
    if context not in _missing:
        _missing[context] = _find_missing(context)
    return _missing[context]


def _find_missing(context: AutogenContext) -> list[Statement]:
    """Return the statements that create the objects that the models' tables need and that are missing.

    Raises:
        CommandError: PostgreSQL would cut the name of one, or a view has the name of something else.
    """
    connection = context.connection
    assert connection is not None
    present: set[Thing] = set()
    for kind, schema, name, visible in connection.execute(PRESENT):
        present |= {(kind, schema, name), (kind, None, name)} if visible else {(kind, schema, name)}
    created = {thing: sql for thing, sql in needed(context, connection) if thing not in present}
    for fault in (fault for _, _, name in created for fault in cut(name)):
        raise CommandError(fault)
    for kind, *name in created:
        for other in {"TABLE", *VIEWS} if kind in VIEWS else ():
            if (other, *name) in present:
                raise CommandError(
                    f"the models have the {kind.lower()} {quoted(connection, *name)}, and the database has a "
                    f"{other.lower()} of that name: drop or rename that in a revision before, by hand"
                )
    hopeless: set[str] = set()
    for table in compared(context):
        if not has_more_than_columns(table, connection.dialect):
            continue
        for name in lacking(connection, table, dict(_in_order(created)).values(), hopeless):
            created["EXTENSION", None, name] = f"CREATE EXTENSION {quoted(connection, None, name)}"
    return [
        Statement(
            sql,
            f"DROP {kind} {quoted(connection, schema, name)}",
            remark=remark(connection, name) if kind == "EXTENSION" else "",
            rank=Rank.ADD_CONSTRAINT if kind in VIEWS else Rank.PREPARE,
        )
        for (kind, schema, name), sql in _in_order(created)
    ]


def _in_order(created: Mapping[Thing, str]) -> list[tuple[Thing, str]]:
    return sorted(created.items(), key=lambda each: [*KINDS, each[0][0]].index(each[0][0]))


def has_more_than_columns(table: Table, dialect: Dialect) -> bool:
    """Whether a table has what may name functions or operator classes of an extension."""
    types = (each for column in table.columns for each in named_types(column.type, dialect))
    if any(isinstance(each, DOMAIN) for each in types):
        return True
    expressions = any(column.computed or column.server_default is not None for column in table.columns)
    rules = any(isinstance(item, CheckConstraint | ExcludeConstraint) for item in table.constraints)
    return expressions or rules or bool(table.indexes)


def remark(connection: Connection, extension: str) -> str:
    """Return the remark about an extension that is created."""
    does = f"creates the extension {extension}"
    if connection.scalar(AVAILABLE, {"extension": extension}):
        return f"{does}, which the role may not be allowed to: an administrator is."
    return (
        f"fails as it stands: {does}, and this server does not have its files. "
        "Install its package on each server first, as an administrator."
    )


def needed(context: AutogenContext, connection: Connection) -> Iterator[tuple[Thing, str]]:
    """Yield the objects that the models' tables need, with the statements that create them.

    A sequence of the models is one of them even if no column has it: the application may ask for it.
    """

    def schema(name: str | None) -> Iterator[tuple[Thing, str]]:
        if name:
            yield ("SCHEMA", None, name), f"CREATE SCHEMA {quoted(connection, None, name)}"

    wanted = [each for metadata in collections(context.metadata) for each in sequences_of(metadata)]
    for table in compared(context):
        yield from schema(table.schema)
        for extension in extensions(table, connection):
            name = quoted(connection, None, extension)
            yield ("EXTENSION", None, extension), f"CREATE EXTENSION {name}"
        for column in table.columns:
            # For a domain over an enum, the domain comes first here.
            for type_ in named_types(column.type, connection.dialect):
                if not type_.create_type:  # it is not the models' business
                    continue
                yield from schema(type_.schema)
                if isinstance(type_, DOMAIN):
                    yield ("DOMAIN", type_.schema, str(type_.name)), sql(connection, CreateDomainType(type_))
                if isinstance(type_, ENUM):
                    name = quoted(connection, type_.schema, str(type_.name))
                    yield ("TYPE", type_.schema, str(type_.name)), create(name, list(type_.enums))
            wanted += sequences(column)
    for sequence in wanted:
        yield from schema(sequence.schema)
        yield ("SEQUENCE", sequence.schema, sequence.name), sql(connection, CreateSequence(sequence))
    for view in views_of(context):
        yield from schema(view.table.schema)
        yield (VIEWS[view.materialized], view.table.schema, view.table.name), sql(connection, view)


def views_of(context: AutogenContext) -> Iterator[CreateView]:
    """Yield the models' views, without the ignored ones."""
    scope = context.opts.get("scope")
    for view in views(context.sorted_tables):
        if not (scope and scope.left_alone(view.table.schema, view.table.name)):
            yield view


# Queries for the extension of a type, an operator class or a function.
EXTENSIONS = {
    "citext": "citext",
    "cube": "cube",
    "geography": "postgis",
    "geometry": "postgis",
    "gin__int_ops": "intarray",
    "gin_trgm_ops": "pg_trgm",
    "gist__int_ops": "intarray",
    "gist_trgm_ops": "pg_trgm",
    "halfvec": "vector",
    "hstore": "hstore",
    "isbn": "isn",
    "isbn13": "isn",
    "lquery": "ltree",
    "ltree": "ltree",
    "ltxtquery": "ltree",
    "raster": "postgis",
    "seg": "seg",
    "sparsevec": "vector",
    "unaccent": "unaccent",
    "uuid_generate_v4": "uuid-ossp",
    "vector": "vector",
}


def extensions(table: Table, connection: Connection) -> Iterator[str]:
    """Yield the extensions that a table needs, for a type, an operator class or a default."""
    for column in table.columns:
        words = [column.type.compile(connection.dialect)]
        words += [
            each.data_type.compile(connection.dialect)
            for each in named_types(column.type, connection.dialect)
            if isinstance(each, DOMAIN)
        ]
        if isinstance(column.server_default, DefaultClause):
            words.append(str(column.server_default.arg))
        for word in words:
            first = re.match(r'(?:\w+\.)?"?(\w+)', word.lower())
            if first and first[1] in EXTENSIONS:
                yield EXTENSIONS[first[1]]
    for index in table.indexes:
        for operators in index.dialect_options["postgresql"]["ops"].values():
            if operators in EXTENSIONS:
                yield EXTENSIONS[operators]


def sequences(column: Column[object]) -> Iterator[Sequence]:
    """Yield the sequences that give a column its values; PostgreSQL does without an optional one."""
    if isinstance(column.default, Sequence) and not column.default.optional:
        yield column.default
    if isinstance(column.server_default, DefaultClause) and isinstance(column.server_default.arg, next_value):
        yield column.server_default.arg.sequence


def setup(plugin: Plugin) -> None:
    """Register the comparator, after all others."""
    plugin.add_autogenerate_comparator(compare, "autogenerate", "required", priority=DispatchPriority.LAST)
