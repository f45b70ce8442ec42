"""Indexes that are built after the rows are there: in one go that is several times as fast.

Only those that do nothing but make queries fast, and that their definition says all of.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from migrate.sample.server import Refusal, attempt, query

# A table with fewer rows keeps its indexes, and with them nobody waits for its lock.
WORTH = 20_000

# CREATE INDEX refuses a table with checks that wait for the end of the transaction.
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
    """An index cannot be built on the rows: with it in place, some of them would have been refused."""


def take_down(connection: Connection, tables: Sequence[int]) -> list[str]:
    """Drop the indexes of tables that this role may drop, and return the SQL that builds them again.

    Args:
        connection: where; a rollback brings them back.
        tables: which, by OID.
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
        UnbuiltError: the server refuses one.
    """
    for definition in definitions:
        if isinstance(attempt(connection, definition), Refusal):
            raise UnbuiltError(definition)
