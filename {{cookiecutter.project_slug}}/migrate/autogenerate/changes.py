"""The changes that autogenerate has found, beside what the database has."""

from dataclasses import dataclass
from functools import cached_property

from alembic.operations import ops
from sqlalchemy import Connection, text

from migrate.autogenerate.scope import Key
from migrate.autogenerate.trial import quoted

PRESENT = text("""
    SELECT nullif(nspname, current_schema()), relname, pg_table_is_visible(c.oid),
        relkind = 'p', greatest(reltuples, 0)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p')
""")

REFERENCES = text("""
    SELECT conrelid::bigint, confrelid::bigint, conname::text FROM pg_constraint
    WHERE contype = 'f' AND conrelid = ANY (:tables) AND conrelid <> confrelid AND conparentid = 0
        AND confrelid = ANY (CAST(:tables AS bigint[]) || :changed)
    ORDER BY conname
""")

# Defaults that take their values from a sequence which a column of another table owns: the table of the
# default, the owner, its column, and what to call the default.
BORROWED = text("""
    SELECT DISTINCT d.adrelid::bigint, owned.refobjid::bigint, owner.attname::text,
        format('default of %I in %s', a.attname, d.adrelid::regclass)
    FROM pg_depend AS owned
    JOIN pg_depend AS used ON used.refclassid = 'pg_class'::regclass AND used.refobjid = owned.objid
    JOIN pg_attribute AS owner ON owner.attrelid = owned.refobjid AND owner.attnum = owned.refobjsubid
    JOIN pg_attrdef AS d ON used.classid = 'pg_attrdef'::regclass AND d.oid = used.objid
    JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE owned.classid = 'pg_class'::regclass AND owned.refclassid = 'pg_class'::regclass
        AND owned.deptype IN ('a', 'i') AND owned.refobjid = ANY (CAST(:tables AS oid[]))
        AND d.adrelid <> owned.refobjid
    ORDER BY 4
""")

INHERITED = text("SELECT inhrelid::bigint, inhparent::bigint FROM pg_inherits")

# The table that an index belongs to, if it is another one and is not dropped.
TAKEN = text("""
    SELECT indrelid::regclass::text FROM pg_index
    WHERE indexrelid = to_regclass(:index) AND indrelid <> CAST(:table AS regclass)
        AND indrelid <> ALL (CAST(CAST(:dropped AS text[]) AS regclass[]))
""")


@dataclass(frozen=True)
class Present:
    """A table that the database has.

    Attributes:
        partitioned: whether it has partitions.
        rows: the planner's estimate of its rows; 0 if there is none.
    """

    partitioned: bool
    rows: float


def tables(connection: Connection) -> dict[Key, Present]:
    """Return the tables of the database; one that is visible without its schema is there under both names."""
    found = {}
    default = connection.dialect.default_schema_name
    for schema, name, visible, *facts in connection.execute(PRESENT):
        found[schema or default, name] = Present(*facts)
        if visible:
            found[None, name] = Present(*facts)
    return found


def table_of(op: ops.MigrateOperation) -> Key:
    """Return the key of an operation's table."""
    if isinstance(op, ops.CreateForeignKeyOp):
        return op.kw.get("source_schema"), op.source_table
    return getattr(op, "schema", None), getattr(op, "table_name", None) or ""


def name_of(op: ops.MigrateOperation) -> str:
    """Return the name of an operation's index or constraint."""
    return str(getattr(op, "index_name", None) or getattr(op, "constraint_name", None))


def called(op: ops.MigrateOperation) -> str:
    """Return the name of an operation's table, for people."""
    return ".".join(filter(None, table_of(op)))


class Changes:
    """The changes of a comparison."""

    def __init__(self, connection: Connection, changes: list[ops.MigrateOperation]) -> None:
        """Read the tables of the database."""
        self.connection, self.changes = connection, changes
        self.default = connection.dialect.default_schema_name or ""
        self.tables = tables(connection)
        self.dropped = {table_of(op) for op in changes if isinstance(op, ops.DropTableOp)}

    def same_table(self, op: ops.MigrateOperation, other: ops.MigrateOperation) -> bool:
        """Return whether two operations are about one table, which may have two names."""
        schemas, names = zip(table_of(op), table_of(other), strict=True)
        return names[0] == names[1] and (schemas[0] or self.default) == (schemas[1] or self.default)

    def children_first(self) -> list[Key]:
        """Return the dropped tables, each before the tables that its foreign keys refer to."""
        return self._dropping[0]

    @cached_property
    def dropped_names(self) -> set[str]:
        """The names of the indexes and constraints that the changes drop."""
        return {name_of(op) for op in self.changes if isinstance(op, ops.DropIndexOp | ops.DropConstraintOp)}

    def taken(self, op: ops.MigrateOperation) -> str | None:
        """Return the table that has, and keeps, an index of the name of a new one."""
        if not isinstance(op, ops.CreateIndexOp | ops.CreateUniqueConstraintOp) or not self.lives(op):
            return None
        if name_of(op) in self.dropped_names:
            return None
        names = {
            "index": quoted(self.connection, op.schema, name_of(op)),
            "table": quoted(self.connection, *table_of(op)),
            "dropped": [quoted(self.connection, *key) for key in self.dropped],
        }
        table: str | None = self.connection.scalar(TAKEN, names)
        return table

    @property
    def held(self) -> list[tuple[Key, str]]:
        """The foreign keys to drop before their tables: table, name.

        They are in a cycle of dropped tables, or refer to a key that is dropped too.
        """
        return self._dropping[1]

    @cached_property
    def _dropping(self) -> tuple[list[Key], list[tuple[Key, str]]]:
        names = {self.oid(key): key for key in sorted(self.dropped, key=str)}
        changed = {
            self.oid(table_of(op))
            for op in self.changes
            if isinstance(op, ops.DropConstraintOp | ops.DropColumnOp | ops.DropIndexOp) and self.lives(op)
        }
        known = {"tables": list(names), "changed": list(changed)}
        references = self.connection.execute(REFERENCES, known).all()
        left = dict(names)
        order: list[Key] = []
        borrowed = {(row[0], row[1]) for row in self.connection.execute(BORROWED, {"tables": list(names)})}
        held = [(names[child], key) for child, parent, key in references if parent in changed]
        cut: set[tuple[int, int]] = set()
        while left:
            pairs = {(child, parent) for child, parent, _ in references} - cut | borrowed | self._inherited
            free = [table for table in left if not any((child, table) in pairs for child in left)]
            if not free:  # a cycle: drop the foreign keys of one table first
                table = next(iter(left))
                for child, parent, key in references:
                    if parent == table and child in left and (child, parent) in pairs:
                        held.append((names[child], key))
                        cut.add((child, parent))
                free = [table]
            order += [left.pop(table) for table in free]
        return order, held

    def named(self, schema: str | None) -> str | None:
        """Return the name of a models' schema in operations."""
        return None if schema == self.default else schema

    def lives(self, op: ops.MigrateOperation) -> bool:
        """Return whether its table exists before and after the changes."""
        return table_of(op) in self.tables and table_of(op) not in self.dropped

    def parents(self, op: ops.MigrateOperation) -> int:
        """Return how many tables an operation's table inherits from, at any distance."""
        found, left = set[int](), {self.oid(table_of(op))}
        while left:
            left = {parent for child, parent in self._inherited if child in left} - found
            found |= left
        return len(found)

    @cached_property
    def _inherited(self) -> set[tuple[int, int]]:
        return {(child, parent) for child, parent in self.connection.execute(INHERITED)}

    def partitioned(self, op: ops.MigrateOperation) -> bool:
        """Return whether its table has partitions."""
        return table_of(op) in self.tables and self.tables[table_of(op)].partitioned

    def oid(self, key: Key) -> int:
        """Return the number that the server has for a table."""
        oid = text("SELECT CAST(CAST(:table AS regclass) AS bigint)")
        return int(self.connection.scalar(oid, {"table": quoted(self.connection, *key)}) or 0)
