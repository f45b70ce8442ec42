"""The tables in the database's catalogue: columns, types, keys and constraints.

The catalogue, not the models: the models fit one revision, and the database may be at another.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Row

from migrate.sample.server import literal, query

# The user's tables: without those of the server and of extensions, without partitions (they get rows
# through their parent), and without the tables of the version and the history.
TABLES = """
    SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS partitioned,
        coalesce(n.nspname = {current_schema}, false) AS in_path,
        format('%I.%I', n.nspname, c.relname) AS sql,
        has_table_privilege(c.oid, 'SELECT') AS readable, has_table_privilege(c.oid, 'INSERT') AS writable
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND has_schema_privilege(n.oid, 'USAGE')
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass
        AND d.objid = c.oid AND d.deptype = 'e')
    AND (SELECT array_agg(a.attname::text) FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0)
        IS DISTINCT FROM ARRAY['version_num'] AND c.relname <> 'migrate_history'
    ORDER BY 2, 3
"""
COLUMNS = """
    SELECT a.attrelid::bigint AS table, a.attnum AS number, a.attname AS name, quote_ident(a.attname) AS sql,
        a.atttypid::bigint AS type, a.atttypmod AS modifier, format_type(a.atttypid, a.atttypmod) AS type_sql,
        a.attnotnull AS not_null,
        a.attidentity <> '' AS identity, a.attgenerated <> '' AS generated,
        pg_get_expr(d.adbin, d.adrelid) AS expression
    FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = ANY ({tables}) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, 2
"""
# The types, and the types that they are made of.
TYPES = """
    WITH RECURSIVE used (oid) AS (
        SELECT unnest({types})
        UNION
        SELECT part.oid FROM used JOIN pg_type AS t ON t.oid = used.oid CROSS JOIN LATERAL (
            VALUES (t.typelem), (t.typbasetype)
            UNION SELECT rngsubtype FROM pg_range WHERE rngtypid = t.oid
            UNION SELECT rngtypid FROM pg_range WHERE rngmultitypid = t.oid
            UNION SELECT atttypid FROM pg_attribute
                WHERE attrelid = t.typrelid AND t.typtype = 'c' AND attnum > 0 AND NOT attisdropped
        ) AS part (oid) WHERE part.oid <> 0
    )
    SELECT t.oid::bigint AS oid, t.typname AS name, format_type(t.oid, NULL) AS sql, t.typtype AS kind,
        n.nspname AS schema, t.typelem::bigint AS element, t.typlen = -1 AND t.typcategory = 'A' AS is_array,
        t.typbasetype::bigint AS base, t.typtypmod AS modifier, t.typnotnull AS not_null,
        format_type(nullif(t.typbasetype, 0), t.typtypmod) AS base_sql,
        coalesce(r.rngsubtype, m.rngtypid, 0)::bigint AS subtype,
        ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder) AS labels,
        ARRAY(SELECT pg_get_expr(conbin, 0) FROM pg_constraint WHERE contypid = t.oid AND contype = 'c'
            ORDER BY conname) AS checks,
        ARRAY(SELECT ARRAY[atttypid::bigint, atttypmod] FROM pg_attribute WHERE attrelid = t.typrelid
            AND t.typtype = 'c' AND attnum > 0 AND NOT attisdropped ORDER BY attnum) AS fields
    FROM pg_type AS t JOIN used ON used.oid = t.oid JOIN pg_namespace AS n ON n.oid = t.typnamespace
    LEFT JOIN pg_range AS r ON r.rngtypid = t.oid LEFT JOIN pg_range AS m ON m.rngmultitypid = t.oid
"""
CHECKS = """
    SELECT conrelid::bigint AS table, conname AS name, pg_get_expr(conbin, conrelid) AS sql
    FROM pg_constraint WHERE conrelid = ANY ({tables}) AND contype = 'c'
    AND coalesce((to_jsonb(pg_constraint) ->> 'conenforced')::boolean, true) ORDER BY 1, 2
"""
# A key that refers to a partitioned table is listed once more for each partition.
KEYS = """
    SELECT conrelid::bigint AS table, conname AS name, conkey AS columns, confrelid::bigint AS parent,
        condeferrable AS deferrable, format('%I.%I', n.nspname, c.relname) AS parent_sql,
        ARRAY(SELECT quote_ident(attname) FROM unnest(confkey) WITH ORDINALITY AS k (number, place)
            JOIN pg_attribute ON attrelid = confrelid AND attnum = k.number
            ORDER BY k.place) AS parent_columns
    FROM pg_constraint JOIN pg_class AS c ON c.oid = confrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE conrelid = ANY ({tables}) AND contype = 'f' AND conparentid = 0 ORDER BY 1, 2
"""
# The elements that are compared, and the operator: "=", or another one in an exclusion constraint.
UNIQUES = """
    SELECT indrelid::bigint AS table, c.relname AS name, NOT indimmediate AS deferrable,
        NOT (indnullsnotdistinct OR indisprimary) AS nulls_distinct,
        ARRAY(SELECT pg_get_indexdef(indexrelid, place, false)
            FROM generate_series(1, indnkeyatts) AS place) AS elements,
        ARRAY(SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname)
            FROM unnest(con.conexclop) WITH ORDINALITY AS e (oid, place)
            JOIN pg_operator AS o ON o.oid = e.oid JOIN pg_namespace AS n ON n.oid = o.oprnamespace
            ORDER BY e.place) AS operators
    FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid
    LEFT JOIN pg_constraint AS con ON con.conindid = indexrelid AND con.contype IN ('p', 'u', 'x')
    WHERE indrelid = ANY ({tables}) AND (indisunique OR indisexclusion) AND indisready
    ORDER BY 1, indnkeyatts, 2
"""
# The condition of each partition that has no partitions itself.
PARTITIONS = """
    SELECT root::bigint AS table, pg_get_partition_constraintdef(relid) AS sql
    FROM unnest({tables}) AS root CROSS JOIN LATERAL pg_partition_tree(root::oid::regclass)
    JOIN pg_class AS c ON c.oid = relid
    WHERE isleaf AND c.relkind = 'r' AND c.oid <> root ORDER BY 1, c.relname
"""

# The tokens of an SQL expression as the server prints it: a string, a column's name with or without
# quotes, a number, an operator, or a sign. A name after "::" or "." or before "(" is no column.
TOKEN = re.compile(
    r"""(?P<string>'(?:[^']|'')*')|(?P<quoted>(?<![:.])"(?:[^"]|"")*")|(?P<word>(?<![:."\w])[^\W\d][\w$]*+(?!\())"""
    r"""|(?P<number>(?<!\w)\d+(?:\.\d+)?)|(?P<operator>[-+*/<>=~!@#%^&|`?]+)|\S"""
)


@dataclass(frozen=True)
class Type:
    """A data type. `kind` is that of pg_type.typtype; an oid is 0 if there is none."""

    oid: int
    name: str
    sql: str
    kind: str
    schema: str
    element: int
    is_array: bool
    base: int
    modifier: int
    not_null: bool
    base_sql: str | None
    subtype: int
    labels: Sequence[str]
    checks: Sequence[str]
    fields: Sequence[Sequence[int]]


@dataclass(frozen=True)
class Column:
    """A column. `sql` is its name in quotes; `expression` is its default or its generation expression."""

    table: int
    number: int
    name: str
    sql: str
    type: int
    modifier: int
    type_sql: str
    not_null: bool
    identity: bool
    generated: bool
    expression: str | None

    @property
    def numbered(self) -> bool:
        """Whether the server numbers it: an identity, or a default from a sequence."""
        return self.identity or "nextval(" in (self.expression or "")


@dataclass(frozen=True)
class Check:
    """A condition, and the names of the columns in it."""

    name: str
    sql: str
    columns: frozenset[str]


@dataclass(frozen=True)
class Key:
    """A foreign key; the parent's columns are in quotes."""

    name: str
    columns: tuple[str, ...]
    parent: int
    parent_sql: str
    parent_columns: tuple[str, ...]
    deferrable: bool


@dataclass(frozen=True)
class Unique:
    """A unique or exclusion constraint or index.

    Attributes:
        name: the name of the index.
        elements: the columns or expressions that it compares.
        operators: one for each element; empty if all are compared by "=".
        deferrable: whether its check may be deferred.
        nulls_distinct: whether rows with a NULL in one of the elements are distinct.
    """

    name: str
    elements: tuple[str, ...]
    operators: tuple[str, ...]
    deferrable: bool
    nulls_distinct: bool


@dataclass
class Table:
    """A table, with `sql` as its name in quotes and `label` as the name that people read."""

    oid: int
    schema: str
    name: str
    partitioned: bool
    in_path: bool
    sql: str
    readable: bool
    writable: bool
    columns: dict[str, Column] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    uniques: list[Unique] = field(default_factory=list)
    partitions: list[Check] = field(default_factory=list)

    @cached_property
    def label(self) -> str:
        return self.name if self.in_path else f"{self.schema}.{self.name}"

    def mentioned(self, sql: str) -> frozenset[str]:
        """Return the columns that an expression names."""
        names = {unquoted(match) for match in TOKEN.finditer(sql)}
        return frozenset(name for name in self.columns if name in names)


@dataclass
class Catalogue:
    """The tables by their oid, and the types of their columns."""

    tables: dict[int, Table]
    types: dict[int, Type]


def unquoted(token: re.Match[str]) -> str:
    """Return the name that a token stands for; "" if it is no name."""
    if token["quoted"]:
        return token["quoted"][1:-1].replace('""', '"')
    return token["word"] or ""


def replaced(sql: str, names: Mapping[str, str]) -> str:
    """Return an expression in which some names are replaced."""
    return TOKEN.sub(lambda token: names.get(unquoted(token), token[0]), sql)


def parts(sql: str, separator: str) -> list[str]:
    """Split an expression at a word or an operator, but not within parentheses."""
    sql = _bare(sql)
    depth, start, found = 0, 0, []
    for token in TOKEN.finditer(sql):
        depth += (token[0] == "(") - (token[0] == ")")
        if depth == 0 and token[0] == separator:
            found.append(sql[start : token.start()].strip())
            start = token.end()
    return [*found, sql[start:].strip()]


def _bare(sql: str) -> str:
    """Return an expression without its outer parentheses."""
    while sql.startswith("("):
        depth = 0
        for token in TOKEN.finditer(sql):
            depth += (token[0] == "(") - (token[0] == ")")
            if depth == 0:
                break
        if token.end() != len(sql):
            break
        sql = sql[1:-1]
    return sql


def read(connection: Connection) -> Catalogue:
    """Read all tables of the user. Their names are complete, whatever the search_path is."""
    [session] = query(connection, "SELECT current_setting('search_path') AS path, current_schema() AS schema")
    # With this the server writes the schema before each name that is not its own.
    query(connection, "SELECT set_config('search_path', '', true)")
    tables = {
        row.oid: Table(**row._mapping)
        for row in query(connection, TABLES.format(current_schema=literal(session.schema)))
    }
    if tables:
        _read_constraints(connection, tables)
    used = {column.type for table in tables.values() for column in table.columns.values()}
    types = {row.oid: Type(**row._mapping) for row in query(connection, TYPES.format(types=_oids(used)))}
    query(connection, f"SELECT set_config('search_path', {literal(session.path)}, true)")
    return Catalogue(tables, types)


def _read_constraints(connection: Connection, tables: dict[int, Table]) -> None:
    def ask(sql: str) -> Iterable[tuple[Table, Row[Any]]]:
        return ((tables[row.table], row) for row in query(connection, sql.format(tables=_oids(tables))))

    for table, row in ask(COLUMNS):
        table.columns[row.name] = Column(**row._mapping)
    for table, row in ask(CHECKS):
        table.checks.append(Check(row.name, row.sql, table.mentioned(row.sql)))
    for table, row in ask(KEYS):
        names = {column.number: column.name for column in table.columns.values()}
        columns = tuple(names[number] for number in row.columns)
        parent = (row.parent, row.parent_sql, tuple(row.parent_columns))
        table.keys.append(Key(row.name, columns, *parent, row.deferrable))
    for table, row in ask(UNIQUES):
        elements, operators = tuple(row.elements), tuple(row.operators)
        table.uniques.append(Unique(row.name, elements, operators, row.deferrable, row.nulls_distinct))
    for table, row in ask(PARTITIONS):
        if row.sql:  # empty: a DEFAULT partition that is the only one takes every row
            table.partitions.append(Check("", row.sql, table.mentioned(row.sql)))


def _oids(oids: Iterable[int]) -> str:
    return f"ARRAY[{', '.join(map(str, sorted(oids)))}]::oid[]"
