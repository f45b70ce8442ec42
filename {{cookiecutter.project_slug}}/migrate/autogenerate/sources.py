"""The source of a column's values: the client, a default, a sequence or an expression.

Alembic's own way to add an identity fails on a column that has a default. It also starts the sequence
at 1, even if there are rows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column as ModelColumn
from sqlalchemy import Connection
from sqlalchemy.schema import DefaultClause, SetColumnComment

from migrate.autogenerate.catalogue import Column
from migrate.autogenerate.operations import Rank, Refused, Statement, several
from migrate.autogenerate.scenarios import scenario
from migrate.autogenerate.scope import Key
from migrate.autogenerate.sound import LONGEST
from migrate.autogenerate.trial import copied, literal, quoted, run, specification, sql

OPTIONS = ("START WITH", "INCREMENT BY", "MINVALUE", "MAXVALUE", "CACHE", "CYCLE")


LIMITS = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}


def options(column: Column) -> list[str]:
    """Return the options of a column's sequence that are not the default ones, as SQL."""
    assert column.options is not None
    usual = (1, 1, 1, LIMITS.get(column.sequence_type or ""), 1, 0)
    given = zip(OPTIONS, column.options, usual, strict=True)
    return [
        word if word == "CYCLE" else f"{word} {number}" for word, number, other in given if number != other
    ]


def mode(column: Column) -> str:
    return "ALWAYS" if column.identity == "a" else "BY DEFAULT"


@dataclass(frozen=True)
class Place:
    """A column: its table as SQL, the table's schema and name, and its own name."""

    table: str
    key: Key
    name: str


def has_default(model: ModelColumn[Any]) -> bool:
    """Return whether a model gives its column a server default, other than NULL."""
    default = model.server_default
    if not isinstance(default, DefaultClause):
        return False
    return isinstance(default.arg, str) or not re.match(r"null\b", str(default.arg), re.IGNORECASE)


def changes(connection: Connection, place: Place, old: Column, new: Column) -> Iterator[Statement | Refused]:
    """Yield the statements that give a column another source of values, or a refusal.

    Args:
        connection: the database.
        place: the column.
        old: the column in the database.
        new: the column in the models.
    """
    if old.generated or new.generated:
        if (old.generated, old.default) != (new.generated, new.default):
            if statement := _expression(connection, place, old, new):
                yield statement
                return
            said = [
                f"generated as {each.default}" + " STORED" * (each.generated == "s")
                if each.generated
                else "not"
                for each in (old, new)
            ]
            yield Refused(
                f"column {place.table}.{place.name}: in the database it is {said[0]}, in the models "
                f"{said[1]}. PostgreSQL cannot change that: take the column out of the models in one "
                "revision, and put it in again in the next"
            )
        return
    narrowed = LIMITS.get(new.type, 0) < LIMITS.get(old.type, 0)
    rank = Rank.SOURCE_OF_NARROWED if narrowed else Rank.SOURCE
    if bool(old.identity) == bool(new.identity) and old.serial == new.serial:
        yield from _options(connection, place, old, new, rank)
        return

    def replaced(one: Column, other: Column, *, made: bool) -> list[str]:
        left = _left(connection, place, one, made=not made)
        return [
            *left,
            *_required(connection, place, one, other),
            *_entered(connection, place, other, made=made),
        ]

    statements = several(replaced(old, new, made=True), replaced(new, old, made=False), rank)
    if new.identity and not old.required:
        statements[0].remark = (
            f"fails if rows of {place.table} have no {place.name}: fill it in a revision before this one: "
            f"{scenario('fill a column')}. No session can use the table during the scan."
        )
    yield from statements


def added(connection: Connection, place: Place, model: ModelColumn[Any]) -> Iterator[Statement]:
    """Yield the statements that add a serial column. Alembic would add it without its sequence."""
    yield Statement(
        f"ALTER TABLE {place.table} ADD COLUMN {specification(connection, model)}",
        f"ALTER TABLE {place.table} DROP COLUMN {quoted(connection, None, place.name)}",
        remark=f"no session can read or write {place.table} while each row gets its {place.name}.",
        rank=Rank.ADD_COLUMN,
    )
    if model.comment:
        yield Statement(sql(connection, SetColumnComment(model)), rank=Rank.ADD_COLUMN)


def _expression(connection: Connection, place: Place, old: Column, new: Column) -> Statement | None:
    """Return the statement that gives a generated column another expression, if the server knows it."""
    name = quoted(connection, None, place.name)
    to_new, to_old = (f"ALTER COLUMN {name} SET EXPRESSION AS ({each.default})" for each in (new, old))
    if old.generated != new.generated:
        return None
    with copied(connection, *place.key) as copy:
        if not run(connection, f"ALTER TABLE {copy} {to_new}"):
            return None
    return Statement(
        f"ALTER TABLE {place.table} {to_new}",
        f"ALTER TABLE {place.table} {to_old}",
        remark=f"no session can read or write {place.table} while each row gets its {place.name}."
        * (new.generated == "s"),
        rank=Rank.ADD_COLUMN,
    )


def _options(
    connection: Connection, place: Place, old: Column, new: Column, rank: Rank
) -> Iterator[Statement]:
    column = f"ALTER TABLE {place.table} ALTER COLUMN {quoted(connection, None, place.name)}"
    if old.identity and (old.identity, old.options) != (new.identity, new.options):
        same_limits = all(each.options and each.options[3] == LIMITS.get(each.type) for each in (old, new))
        if old.type != new.type and old.identity == new.identity and same_limits:
            return  # the limits come with the column's type

        def said(each: Column) -> str:
            assert each.options is not None
            *numbers, cycle = each.options
            given = [f"SET {word} {number}" for word, number in zip(OPTIONS, numbers, strict=False)]
            return f"{column} SET GENERATED {mode(each)} {' '.join(given)} SET {'' if cycle else 'NO '}CYCLE"

        yield Statement(said(new), said(old), rank=rank)
    elif old.serial and old.type != new.type and old.sequence_type != new.sequence_type:
        yield Statement(
            f"ALTER SEQUENCE {old.sequence} AS {new.sequence_type}",
            f"ALTER SEQUENCE {old.sequence} AS {old.sequence_type}",
            rank=rank,
        )


def _left(connection: Connection, place: Place, column: Column, *, made: bool = False) -> Iterator[str]:
    """Yield the statements that remove a column's source of values."""
    alter = f"ALTER TABLE {place.table} ALTER COLUMN {quoted(connection, None, place.name)}"
    if column.identity:
        yield f"{alter} DROP IDENTITY"
    elif column.serial:
        yield f"{alter} DROP DEFAULT"
        yield f"DROP SEQUENCE {sequence(connection, place, column, made=made)}"
    elif column.default is not None:
        yield f"{alter} DROP DEFAULT"


def _required(connection: Connection, place: Place, one: Column, other: Column) -> Iterator[str]:
    """Yield the statement that makes a column NOT NULL for an identity, or lets it be NULL after one.

    Alembic leaves alone whether a column may be NULL that is or was an identity.
    """
    if one.required != other.required and (one.identity or other.identity):
        alter = f"ALTER TABLE {place.table} ALTER COLUMN {quoted(connection, None, place.name)}"
        yield f"{alter} {'SET' if other.required else 'DROP'} NOT NULL"


def _entered(connection: Connection, place: Place, column: Column, *, made: bool = False) -> Iterator[str]:
    """Yield the statements that add a column's source of values, which goes on after the existing rows.

    Args:
        connection: the database.
        place: the column.
        column: the column afterwards.
        made: whether the source is new; else its sequence gets its old name.
    """
    name = quoted(connection, None, place.name)
    alter = f"ALTER TABLE {place.table} ALTER COLUMN {name}"
    if column.identity:
        given = [] if made else [f"SEQUENCE NAME {column.sequence}"]
        given = [*given, *options(column)]
        brackets = f" ({' '.join(given)})" if given else ""
        yield f"{alter} ADD GENERATED {mode(column)} AS IDENTITY{brackets}"
    elif column.serial:
        there = sequence(connection, place, column, made=made)
        given = [f"AS {column.sequence_type}", *options(column)]
        yield f"CREATE SEQUENCE {there} {' '.join(given)} OWNED BY {place.table}.{name}"
        yield f"{alter} SET DEFAULT nextval({literal(there)})"
    elif column.default is not None:
        yield f"{alter} SET DEFAULT {column.default}"
    if column.sequence and column.options:
        counter = f"pg_get_serial_sequence({literal(place.table)}, {literal(place.name)})"
        least, most = column.options[2:4]
        yield (
            f"SELECT setval({counter}, max({name})) FROM {place.table} "
            f"HAVING max({name}) BETWEEN {least} AND {most}"
        )


def sequence(connection: Connection, place: Place, column: Column, *, made: bool) -> str:
    """Return the name of a serial column's sequence, as SQL."""
    schema, table = place.key
    return quoted(connection, schema, usual_name(table, place.name)) if made else str(column.sequence)


def usual_name(table: str, column: str) -> str:
    """Return the name that PostgreSQL gives a column's sequence: it cuts the longer part to 63 bytes in all.

    Source: makeObjectName() in src/backend/commands/indexcmds.c.
    """
    parts = [table.encode(), column.encode()]
    lengths = [len(part) for part in parts]
    while sum(lengths) > LONGEST - len("__seq"):
        lengths[lengths[0] <= lengths[1]] -= 1
    cut = (part[:length].decode(errors="ignore") for part, length in zip(parts, lengths, strict=True))
    return "_".join([*cut, "seq"])
