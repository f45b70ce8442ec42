"""The server's catalogue and counters of the user's tables at one moment, in any schema.

Tables of an extension and temporary tables are not the user's.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg import sql

# By the catalogue, not by name: so every schema of the user is included.
_OURS = """
    n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.relpersistence <> 't' AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e'
    )
"""
# As regclass prints it, even if a revision changes search_path.
_PREFIX = "CASE n.nspname WHEN {default}::text THEN '' ELSE quote_ident(n.nspname) || '.' END"
_STATE = f"""
    SELECT c.oid::bigint, c.relkind, {_PREFIX} || quote_ident(c.relname), n.nspname, c.relname,
        coalesce(i.indrelid, 0)::bigint, coalesce(h.inhparent, 0)::bigint, c.relfilenode::bigint,
        pg_stat_get_{{kind}}numscans(c.oid), pg_stat_get_{{kind}}tuples_returned(c.oid),
        pg_stat_get_{{kind}}tuples_inserted(c.oid) - pg_stat_get_{{kind}}tuples_deleted(c.oid),
        pg_stat_get_{{kind}}tuples_inserted(c.oid) + pg_stat_get_{{kind}}tuples_updated(c.oid)
            + pg_stat_get_{{kind}}tuples_deleted(c.oid),
        pg_stat_get_{{kind}}tuples_updated(c.oid) + pg_stat_get_{{kind}}tuples_deleted(c.oid)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
    LEFT JOIN pg_inherits AS h ON h.inhrelid = c.oid AND c.relispartition
    WHERE c.relkind IN ('r', 'p', 'i', 'I') AND {_OURS}
"""
_HELD = "SELECT relation::bigint, mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'"
# A NOT ENFORCED constraint (PostgreSQL 18) is not valid on purpose.
_UNFINISHED = f"""
    SELECT 'unvalidated ' || {_PREFIX} || quote_ident(con.conname)
    FROM pg_constraint AS con JOIN pg_class AS c ON c.oid = con.conrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE NOT con.convalidated AND con.conparentid = 0 AND {_OURS}
    AND coalesce((to_jsonb(con) ->> 'conenforced')::boolean, true)
    UNION ALL
    SELECT 'invalid ' || {_PREFIX} || quote_ident(c.relname)
    FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE NOT indisvalid AND {_OURS}
    UNION ALL
    SELECT 'unpopulated ' || {_PREFIX} || quote_ident(c.relname)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE NOT relispopulated AND {_OURS}
    ORDER BY 1
"""
# Rows by the planner's statistics, and of a table that was never analyzed by the counters.
_SIZES = f"""
    SELECT c.oid::bigint, n.nspname, c.relname, coalesce(i.indrelid, 0)::bigint,
        coalesce(h.inhparent, 0)::bigint, coalesce(pg_table_size(c.oid), 0),
        CASE WHEN c.relkind = 'p' THEN 0 WHEN c.reltuples >= 0 AND c.relpages > 0
        THEN c.reltuples / c.relpages * coalesce(pg_relation_size(c.oid), 0)
            / current_setting('block_size')::integer
        ELSE pg_stat_get_live_tuples(c.oid) END::bigint
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
    LEFT JOIN pg_inherits AS h ON h.inhrelid = c.oid AND c.relispartition
    WHERE c.relkind IN ('r', 'p', 'i') AND {_OURS}
    ORDER BY 2, 3
"""
_COLUMNS = f"""
    SELECT c.oid::bigint, a.attnum, quote_ident(a.attname), a.atttypid::bigint, a.atttypmod
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND {_OURS}
"""
_LABELS = "SELECT enumtypid::bigint, enumlabel, format_type(enumtypid, NULL) FROM pg_enum"
_VIEWS = f"""
    SELECT {_PREFIX} || quote_ident(c.relname)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm') AND {_OURS}
"""

Driver = psycopg.Connection[tuple[Any, ...]]


class Relation(NamedTuple):
    """A table or an index, at one moment."""

    oid: int
    kind: str
    name: str  # as PostgreSQL prints it, with the schema if that is not the default one
    schema: str
    plain_name: str
    table: int  # the table of an index; 0 for a table
    parent: int  # the table that it is a partition of, or 0
    file: int
    scans: int
    rows_read: int
    rows_added: int
    rows_written: int
    rows_changed: int  # updated or deleted

    @property
    def is_table(self) -> bool:
        return self.kind in "rp"


State = dict[int, Relation]


class Size(NamedTuple):
    """How large a table or an index is, by statistics."""

    oid: int
    schema: str
    name: str
    table: int  # an index's; 0 for a table
    parent: int  # that it is a partition of, or 0
    bytes: int
    rows: int


class Holdings(NamedTuple):
    """What holds data, by numbers that stay the same after a rename.

    Attributes:
        tables: the names of tables and partitions.
        columns: name and type, by table and column number; none for partitions.
        labels: the labels of enum types.
        types: the names of enum types.
        views: the names of views, also of materialized views.
    """

    tables: Mapping[int, Relation]
    columns: Mapping[tuple[int, int], tuple[str, object]]
    labels: frozenset[tuple[int, str]]
    types: Mapping[int, str]
    views: frozenset[str]


class Catalogue:
    """The catalogue as one session sees it."""

    def __init__(self, driver: Driver) -> None:
        """Remember the present default schema, for the names."""
        self._driver = driver
        [default] = driver.execute("SELECT current_schema()").fetchone() or (None,)
        self.default_schema: str | None = default

    def state(self, kind: Literal["", "xact_"] = "", *, flush: bool = False) -> State:
        """Return tables and indexes, with the counters of this transaction or of all before it."""
        if flush:
            self._driver.execute("SELECT pg_stat_force_next_flush()")
        relations = [Relation(*row) for row in self._query(_STATE, kind=sql.SQL(kind))]
        return {relation.oid: relation for relation in relations}

    def held(self) -> dict[int, set[str]]:
        """Return the lock modes that this session holds, by relation."""
        found: dict[int, set[str]] = {}
        for oid, mode in self._query(_HELD):
            found.setdefault(oid, set()).add(mode)
        return found

    def unfinished(self) -> list[str]:
        """Return what cannot be relied on yet: "unvalidated fk_…", "invalid idx_…", "unpopulated v"."""
        return [name for (name,) in self._query(_UNFINISHED)]

    def sizes(self) -> list[Size]:
        """Return how large tables and indexes are, in the order of their names; no row is read."""
        return [Size(*row) for row in self._query(_SIZES)]

    def holdings(self, tables: State) -> Holdings:
        """Return the data that a downgrade could lose.

        Args:
            tables: the tables to look at.
        """
        columns = {
            (oid, number): (name, tuple(type_))
            for oid, number, name, *type_ in self._query(_COLUMNS)
            if oid in tables
        }
        labels = self._query(_LABELS)
        return Holdings(
            tables,
            columns,
            frozenset((type_, label) for type_, label, _ in labels),
            {type_: name for type_, _, name in labels},
            frozenset(name for (name,) in self._query(_VIEWS)),
        )

    def _query(self, query: str, **parts: sql.Composable) -> list[tuple[Any, ...]]:
        composed = sql.SQL(query).format(default=sql.Literal(self.default_schema), **parts)
        return self._driver.execute(composed).fetchall()


def root(relation: Relation, state: State) -> Relation:
    """Return the table of an index, and of a partition the table that it is a part of."""
    while found := state.get(relation.table) or state.get(relation.parent):
        relation = found
    return relation


def whole(oids: set[int], tables: State) -> set[int]:
    """Replace partitions by their partitioned table, if all its partitions are there."""
    partitions: dict[int, set[int]] = {}
    for oid, table in tables.items():
        if table.parent:
            partitions.setdefault(table.parent, set()).add(oid)
    while complete := [parent for parent, children in partitions.items() if children <= oids]:
        for parent in complete:
            oids = oids - partitions.pop(parent) | {parent}
    return oids
