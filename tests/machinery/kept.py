"""What a change of the models leaves of the rows: each value of each column that stays."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, Error, sql
from sqlalchemy import Column, MetaData, Table
from sqlalchemy import Connection as SQLAlchemyConnection
from sqlalchemy.dialects import registry

from tests.machinery.support import Database

# Each table has a key, `id`.
COLUMNS = """
    SELECT nspname, relname, attname, format_type(atttypid, atttypmod)
    FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND attnum > 0 AND NOT attisdropped
        AND nspname !~ '^(pg_|information_schema)' AND relname NOT IN ('alembic_version', 'migrate_history')
    ORDER BY attrelid, attnum
"""

# The sequence of a table's key gives a number that a row has.
USED_AGAIN = """
    SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences
    WHERE format('%I.%I', schemaname, sequencename) = pg_get_serial_sequence({table}, 'id')
        AND coalesce(last_value + increment_by, start_value) <= (SELECT max(id) FROM {rows})
"""

DIALECT = registry.load("postgresql")()
TEXTS = ["text", "character varying", "character varying(20)", "character varying(50)", "citext", "email"]

Place = tuple[str, str, str]  # schema, table, column


@dataclass(frozen=True)
class Rows:
    """The rows of a database.

    Attributes:
        types: the type of each column, as SQL.
        values: the values of each column as text, by the key of the row.
    """

    types: dict[Place, str]
    values: dict[Place, dict[str, str | None]]

    def of(self, places: Iterable[Place]) -> "Rows":
        """Return the rows with some of their columns."""
        chosen = set(places)
        return Rows(self.types, {place: found for place, found in self.values.items() if place in chosen})


def untouched(before: MetaData, after: MetaData) -> set[Place]:
    """Return the columns that stay and keep their type."""

    def type_(models: MetaData, place: Place) -> str:
        schema, table, column = place
        key = table if schema == "public" else f"{schema}.{table}"
        return columns(models.tables[key])[column].type.compile(DIALECT)

    return {place for place in staying(before, after) if type_(before, place) == type_(after, place)}


@dataclass(frozen=True)
class Left:
    """What a change has left of rows.

    Attributes:
        lost: the values that are not what they must be, a line for each.
        altered: the columns of which the new type cannot hold each value as it was.
        back: the rows that the downgrade must leave.
    """

    lost: list[str]
    altered: set[Place]
    back: Rows


def read(database: Database) -> Rows:
    """Read the rows of all tables."""
    types = {(schema, table, column): type_ for schema, table, column, type_ in database.query(COLUMNS)}
    values: dict[Place, dict[str, str | None]] = {place: {} for place in types}
    with database.engine.connect() as connection:
        driver = _driver(connection)
        for schema, table in dict.fromkeys(place[:2] for place in types):
            names = [column for *of, column in types if (schema, table) == tuple(of)]
            columns = [sql.SQL("{}::text").format(sql.Identifier(name)) for name in ("id", *names)]
            query = sql.SQL("SELECT {} FROM {}").format(
                sql.SQL(", ").join(columns), sql.Identifier(schema, table)
            )
            for key, *found in driver.execute(query):
                for name, value in zip(names, found, strict=True):
                    values[schema, table, name][key] = value
    return Rows(types, values)


def staying(before: MetaData, after: MetaData) -> set[Place]:
    """Return the columns that both states of the models have."""
    return {
        (table.schema or "public", table.name, column.name)
        for key, table in after.tables.items()
        if key in before.tables
        for column in table.columns
        if column.name in columns(before.tables[key])
    }


def columns(table: Table) -> dict[str, Column[Any]]:
    """Return the columns of a table by what the database calls them."""
    return {column.name: column for column in table.columns}


def left(database: Database, before: Rows) -> Left:
    """Compare the rows of a database with those that were there before.

    A value whose column has another type now must be what a cast makes of it.
    """
    now = read(database)
    found = Left([], set(), Rows(before.types, {place: {} for place in before.values}))
    with database.engine.connect() as connection:
        driver = _driver(connection)
        for place, values in before.values.items():
            old, new = before.types[place], now.types[place]
            for key, value in values.items():
                wanted, back = (value, value) if old == new else cast(driver, value, old, new)
                if key not in now.values[place] or not same(now.values[place][key], wanted, new):
                    is_now = repr(now.values[place][key]) if key in now.values[place] else "no row"
                    found.lost.append(
                        f"{'.'.join(place)} of row {key}, {old}, then {new}: {value!r} is {is_now}"
                    )
                # A text may say a value of another type in more than one way.
                said_otherwise = old in TEXTS and new not in TEXTS
                if not same(back, value, old) and back != "none" and not said_otherwise:
                    found.altered.add(place)
                found.back.values[place][key] = back
    return found


def cast(driver: Connection, value: str | None, old: str, new: str) -> tuple[str | None, str | None]:
    """Return what becomes of a value that is cast to another type, and back; an impossible cast gives "none".

    A type that is gone was an enum, which is cast as its text.
    """
    [[known]] = driver.execute("SELECT to_regtype(%s) IS NOT NULL", [old]).fetchall()
    before = old if known else "text"
    there = _cast(driver, value, before, new)
    return there, "none" if there == "none" else _cast(driver, there, new, before)


def _cast(driver: Connection, value: str | None, old: str, new: str) -> str | None:
    for by in ("{}", "CAST({} AS text)"):
        query = f"SELECT CAST({by.format(f'CAST(%(value)s AS {old})')} AS {new})::text"
        try:
            with driver.transaction():
                [[found]] = driver.execute(query, {"value": value}).fetchall()
        except Error:
            continue
        return str(found) if found is not None else None
    return "none"


def same(one: str | None, other: str | None, type_: str) -> bool:
    """Return whether two values are the same; the blanks of a json do not count."""
    if type_ == "json" and one is not None and other is not None:
        return bool(json.loads(one) == json.loads(other))
    return one == other


def used_again(database: Database, rows: Rows) -> Iterator[str]:
    """Yield the sequences that give a row a number that another row has."""
    with database.engine.connect() as connection:
        driver = _driver(connection)
        for schema, table in dict.fromkeys(place[:2] for place in rows.values):
            name = sql.Identifier(schema, table)
            query = sql.SQL(USED_AGAIN).format(table=sql.Literal(name.as_string(driver)), rows=name)
            yield from (sequence for (sequence,) in driver.execute(query))


def _driver(connection: SQLAlchemyConnection) -> Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, Connection)
    return driver
