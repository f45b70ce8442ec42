"""The tables that autogenerate compares: the models' tables, and others in the models' schemas.

The catalogue shows the tables that are not the models': partitions, and objects of extensions.
"""

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import CommandError, DispatchPriority, PriorityDispatchResult
from sqlalchemy import Connection, Dialect, ForeignKeyConstraint, MetaData, Table, text
from sqlalchemy.exc import SAWarning
from sqlalchemy.schema import SchemaItem

from migrate.alembic_internals import made
from migrate.autogenerate import sound
from migrate.run.history import TABLE

Key = tuple[str | None, str]  # schema and name; the default schema is None, as in Alembic

ALWAYS_EXCLUDED = ["temp_*"]

# A table may be visible without its schema, though it is not in the default schema: by the search_path.
OTHERS = text("""
    SELECT schema, name, visible, never FROM (
        SELECT nullif(nspname, current_schema()), relname, pg_table_is_visible(c.oid),
            relispartition OR EXISTS (
                SELECT FROM pg_depend
                WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e'
            )
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
        WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    ) AS relation (schema, name, visible, never)
    WHERE never OR (visible AND schema IS NOT NULL)
""")

# A foreign key to a partitioned table has a copy for each partition, which no model has.
INHERITED = text("""
    SELECT nullif(nspname, current_schema()), relname, conname
    FROM pg_constraint JOIN pg_class AS c ON c.oid = conrelid JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE conparentid <> 0 AND NOT relispartition
""")

# The columns that a table has from a parent, each with whether it has it by itself too, and the parent.
OF_PARENTS = text("""
    SELECT nullif(n.nspname, current_schema()), c.relname, a.attname, a.attislocal,
        nullif(pn.nspname, current_schema()), p.relname
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_inherits ON inhrelid = c.oid
    JOIN pg_class AS p ON p.oid = inhparent JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
    JOIN pg_attribute AS pa ON pa.attrelid = p.oid AND pa.attname = a.attname AND NOT pa.attisdropped
    WHERE a.attinhcount > 0 AND NOT c.relispartition
""")

# Another project of Alembic may have its own version table, by any name.
VERSIONS = text("""
    SELECT nullif(nspname, current_schema()), relname
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE relkind = 'r' AND ARRAY(
        SELECT attname::text FROM pg_attribute
        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
    ) = ARRAY['version_num']
""")


# Warnings of SQLAlchemy 2.1 that do no harm: it does not understand the NOT VALID of a CHECK that it has
# reflected itself; types and forms of a CHECK that it does not know are read here; and cycles are cut here.
HARMLESS = [
    r"Can't validate argument '(dialect_options|not_valid)'",
    "Did not recognize type",
    "Cannot correctly sort tables",
    "Could not parse CHECK constraint text",
]


class Scope:
    """Which tables are compared, and which are ignored.

    It compares the schemas of the models' tables, and the default one. It ignores partitions, objects
    of extensions, Alembic's own tables and the history beside it, and the tables that the user excludes.
    """

    def __init__(self, exclude_tables: str = "") -> None:
        """Keep the patterns of the excluded tables.

        Args:
            exclude_tables: glob patterns, separated by commas or blanks, of tables that
                autogenerate ignores, together with their columns, indexes and constraints.
                A pattern with a dot matches schema and name. `temp_*` is always excluded.
        """
        self.patterns = ALWAYS_EXCLUDED + exclude_tables.replace(",", " ").split()
        self.dialect: Dialect | None = None
        self.default: str | None = None
        self.models: set[Key] = set()
        self.others: set[Key] = set()
        self.inherited: set[tuple[str | None, str, str]] = set()
        self.of_parents: set[tuple[str | None, str, str]] = set()
        self.versions: set[Key] = set()
        self.elsewhere: dict[str, str] = {}
        self.version_table = ""

    def options(self) -> dict[str, Any]:
        """Return the options for `context.configure(…)`."""
        return {
            "include_schemas": True,
            "include_name": self.include_name,
            "include_object": self.include_object,
            "scope": self,
        }

    def look(self, connection: Connection, models: Iterable[Table], version_table: str = "") -> None:
        """Read the models and the catalogue, once for a comparison.

        Args:
            connection: the database.
            models: the models' tables.
            version_table: the name of Alembic's own table.

        Raises:
            CommandError: there is no default schema.
        """
        self.dialect, self.default = connection.dialect, connection.dialect.default_schema_name
        if self.default is None:
            path = connection.scalar(text("SELECT current_setting('search_path')"))
            raise CommandError(
                f"the role may use no schema of its search_path, {path}: create one, or GRANT USAGE on it"
            )
        self.version_table = version_table
        columns = {
            self.key(table.schema, table.name): {column.name for column in table.columns} for table in models
        }
        self.models = set(columns)
        self.others, self.elsewhere = set(), {}
        self.inherited = {(row[0], row[1], row[2]) for row in connection.execute(INHERITED)}
        self.of_parents = {
            (schema, name, column)
            for schema, name, column, local, *parent in connection.execute(OF_PARENTS)
            if not local or column in columns.get(self.key(*parent), [column])
        }
        self.versions = {(row[0], row[1]) for row in connection.execute(VERSIONS)}
        for schema, name, visible, never in connection.execute(OTHERS):
            if never:
                self.others |= {(schema, name), (None, name)} if visible else {(schema, name)}
            else:
                self.elsewhere[name] = schema

    def key(self, schema: str | None, name: str) -> Key:
        """Return the key of a table: models may name the default schema or not."""
        return (None if schema == self.default else schema), name

    def place(self, schema: str | None, name: str) -> tuple[str, str]:
        """Return the schema of a table, or the one it would be created in, and its name."""
        return schema or self.elsewhere.get(name) or str(self.default), name

    def left_alone(self, schema: str | None, name: str) -> bool:
        """Return whether a table is ignored."""
        key = self.key(schema, name)
        if key in self.others or any(self._matches(key, pattern) for pattern in self.patterns):
            return True
        if key in self.models:
            return False
        if name in (self.version_table, TABLE) or key in self.versions:
            return True
        # A table in a later schema of the search_path has two names; the models have at most one of them.
        if key[0] is None:
            return name in self.elsewhere
        return key[0] == self.elsewhere.get(name) and (None, name) in self.models

    def _matches(self, key: Key, pattern: str) -> bool:
        schema, name = key
        return fnmatchcase(f"{schema or self.default}.{name}" if "." in pattern else name, pattern)

    def of_parent(self, schema: str | None, table: str, column: str) -> bool:
        """Return whether a table has, and keeps, a column from its parent: it changes with that."""
        return (*self.key(schema, table), column) in self.of_parents

    def include_name(self, name: str | None, kind: str, parents: Any) -> bool:
        """Return whether an object of the database is compared: Alembic's `include_name`."""
        schema = parents.get("schema_name")
        match kind:
            case "schema":
                return name is None or name in {schema for schema, _ in self.models}
            case "table":
                return not self.left_alone(schema, name or "")
            case "index":
                return (schema, name) not in self.others
            case "foreign_key_constraint":
                return (schema, parents["table_name"], name) not in self.inherited
        return True

    def include_object(
        self, item: SchemaItem, name: str | None, kind: str, reflected: bool, other: SchemaItem | None
    ) -> bool:
        """Return whether a difference counts: Alembic's `include_object`."""
        table = item if isinstance(item, Table) else getattr(item, "table", None)
        if table is not None and (table.is_view or self.left_alone(table.schema, table.name)):
            return False
        if table is not None and kind == "column" and reflected and other is None:
            return not self.of_parent(table.schema, table.name, str(name))
        if isinstance(item, ForeignKeyConstraint) and self.dialect and not made(item, self.dialect):
            return False
        if isinstance(item, ForeignKeyConstraint) and isinstance(other, ForeignKeyConstraint):
            return self._meaning(item) != self._meaning(other)
        return True

    def _meaning(self, key: ForeignKeyConstraint) -> Iterable[Any]:
        """Return the meaning of a foreign key, with or without the name of the schema that it refers to."""
        columns = [element.column for element in key.elements]
        return (
            [column.name for column in key.columns],
            self.place(columns[0].table.schema, columns[0].table.name),
            [column.name for column in columns],
            [meant(action or "NO ACTION") for action in (key.onupdate, key.ondelete)],
            bool(key.deferrable or key.initially == "DEFERRED"),
            (key.initially or "IMMEDIATE").upper(),
        )


def meant(action: str) -> tuple[str, set[str]]:
    """Return what a foreign key does, and the columns of its SET NULL or SET DEFAULT, if it names some."""
    what, _, columns = action.partition("(")
    names = re.findall(r'"((?:[^"]|"")+)"|([^\s,")]+)', columns)
    return what.strip().upper(), {exact.replace('""', '"') or word.lower() for exact, word in names}


def collections(metadata: MetaData | Sequence[MetaData] | None) -> Sequence[MetaData]:
    """Return Alembic's `target_metadata`, one or several, as several."""
    return [metadata] if isinstance(metadata, MetaData) else metadata or []


def each_table(metadata: MetaData | Sequence[MetaData] | None) -> Iterator[Table]:
    """Yield the tables of Alembic's `target_metadata`."""
    for each in collections(metadata):
        yield from each.tables.values()


def look(context: AutogenContext, _changes: ops.UpgradeOps) -> PriorityDispatchResult:
    """Read the catalogue, before Alembic asks which tables are compared."""
    for harmless in HARMLESS:
        warnings.filterwarnings("ignore", harmless, SAWarning)
    sound.check(each_table(context.metadata), context.dialect)
    if scope := context.opts.get("scope"):
        scope.look(context.connection, context.sorted_tables, context.migration_context.version_table)
    return PriorityDispatchResult.CONTINUE


def setup(plugin: Plugin) -> None:
    """Register the comparator, before all others."""
    plugin.add_autogenerate_comparator(look, "autogenerate", "scope", priority=DispatchPriority.FIRST)
