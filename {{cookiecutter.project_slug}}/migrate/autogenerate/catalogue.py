"""A table as the server describes it: its columns, indexes and constraints."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, text

COLUMNS = text("""
    SELECT attname::text, format_type(atttypid, atttypmod),
        CASE WHEN attcollation <> typcollation THEN attcollation::regcollation::text END,
        attgenerated::text, attidentity::text, pg_get_expr(adbin, adrelid),
        s.seqrelid::regclass::text, s.seqtypid::regtype::text,
        ARRAY[seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle::int], attnotnull
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = atttypid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    LEFT JOIN LATERAL (
        SELECT pg_sequence.* FROM pg_depend AS d JOIN pg_sequence ON seqrelid = d.objid
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = attrelid AND d.refobjsubid = attnum
            AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
            AND (attidentity <> '' OR EXISTS (
                SELECT FROM pg_depend AS used WHERE used.classid = 'pg_attrdef'::regclass
                AND used.objid = pg_attrdef.oid AND used.refobjid = seqrelid))
        LIMIT 1
    ) AS s ON true
    WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT attisdropped
    ORDER BY attnum
""")

# Access method, columns, operator classes, INCLUDE, NULLS NOT DISTINCT, WITH and WHERE all come after
# the first USING. An INVALID index does not count as the model's index.
DEFINITIONS = text("""
    SELECT 'index', relname::text, substr(def, strpos(def, ' USING ') + 1), indisunique, indisvalid
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid, pg_get_indexdef(indexrelid) AS def
    WHERE indrelid = CAST(:table AS regclass)
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT CASE contype WHEN 'c' THEN 'check' WHEN 'u' THEN 'unique' WHEN 'x' THEN 'exclude'
            ELSE 'primary' END,
        conname::text, regexp_replace(pg_get_constraintdef(oid), ' NOT VALID$', ''), false, true
    FROM pg_constraint
    WHERE contype IN ('c', 'u', 'x', 'p') AND conrelid = CAST(:table AS regclass) AND conparentid = 0
        AND conislocal
""")


class Key(NamedTuple):
    """The kind and name of an index, or of a CHECK, unique, exclusion or primary key constraint."""

    kind: str
    name: str


class Definition(NamedTuple):
    """The definition of an index or a constraint."""

    sql: str
    unique: bool = False
    valid: bool = True


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        type: its type.
        collation: its collation, if that is not the type's own.
        generated: "s" or "v" for a generated column, stored or virtual.
        identity: "a" or "d" for an identity, ALWAYS or BY DEFAULT.
        default: its default, or its generation expression.
        sequence: the sequence that it owns, if it is an identity or serial.
        sequence_type: the type of the sequence.
        options: START, INCREMENT, MINVALUE, MAXVALUE, CACHE and CYCLE of the sequence.
        required: whether it is NOT NULL.
    """

    type: str
    collation: str | None = None
    generated: str = ""
    identity: str = ""
    default: str | None = None
    sequence: str | None = field(default=None, compare=False)
    sequence_type: str | None = None
    options: tuple[int, ...] | None = None
    required: bool = field(default=False, compare=False)

    @property
    def serial(self) -> bool:
        """Whether its default is the next value of a sequence that it owns."""
        return bool(self.sequence) and not self.identity

    @property
    def plain(self) -> bool:
        """Whether it is neither identity, serial nor generated; it may have a default."""
        return not (self.generated or self.sequence)

    @property
    def type_with_collation(self) -> str:
        """The type as SQL."""
        return f"{self.type} COLLATE {self.collation}" if self.collation else self.type


@dataclass
class State:
    """A table."""

    columns: dict[str, Column] = field(default_factory=dict)
    definitions: dict[Key, Definition] = field(default_factory=dict)


def state(connection: Connection, table: str) -> State:
    """Return a table as the server describes it.

    Args:
        connection: the database.
        table: its name, as SQL.
    """
    return State(dict(_columns(connection, table)), dict(_definitions(connection, table)))


def _columns(connection: Connection, table: str) -> Iterator[tuple[str, Column]]:
    for name, *facts in connection.execute(COLUMNS, {"table": table}):
        type_, collation, generated, identity, default, sequence, sequence_type, options, required = facts
        yield name, Column(
            type_, collation, generated, identity,
            # A serial's default is the next value of its sequence.
            None if sequence else default,
            sequence, sequence_type, tuple(options) if sequence else None, required,
        )  # fmt: skip


def _definitions(connection: Connection, table: str) -> Iterator[tuple[Key, Definition]]:
    for kind, name, *definition in connection.execute(DEFINITIONS, {"table": table}):
        yield Key(kind, name), Definition(*definition)
