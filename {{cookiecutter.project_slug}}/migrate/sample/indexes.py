"""Indexes that are built after the rows: that is several times as fast.

Only plain indexes: they enforce no constraint, and their definition builds them again completely.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from migrate.sample.server import Refusal, attempt, query

# A table with fewer rows keeps its indexes, so no session waits for a lock on it.
WORTH = 20_000

# CREATE INDEX fails on a table with deferred checks that are still pending.
SEARCHED = """
    SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_class AS t ON t.oid = i.indrelid
    WHERE i.indrelid = ANY(ARRAY{tables}::oid[]) AND t.relkind = 'r' AND NOT c.relispartition AND i.indisvalid
    AND NOT (i.indisunique OR i.indisexclusion OR i.indisreplident OR i.indisclustered)
    AND c.reltablespace = 0 AND obj_description(c.oid, 'pg_class') IS NULL
    AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attstattarget >= 0)
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype IN ('e', 'x'))
    AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = t.oid AND tgdeferrable)
    ORDER BY i.indexrelid
"""


class UnbuiltError(Exception):
    """An index cannot be built on the rows: if it had existed, it would have refused some of them."""


def take_down(connection: Connection, tables: Sequence[int]) -> list[str]:
    """Drop the indexes of tables that this role may drop, and return the SQL that builds them again.

    Args:
        connection: the database; a rollback brings the indexes back.
        tables: the OIDs of the tables.
    """
    if not tables:
        return []
    found = query(connection, SEARCHED.format(tables=list(tables)))
    return [
        index.definition
        for index in found
        if not isinstance(attempt(connection, f"DROP INDEX {index.name}"), Refusal)
    ]


def build(connection: Connection, definitions: Sequence[str]) -> None:
    """Build indexes again.

    Raises:
        UnbuiltError: the server refuses an index.
    """
    for definition in definitions:
        if isinstance(attempt(connection, definition), Refusal):
            raise UnbuiltError(definition)
