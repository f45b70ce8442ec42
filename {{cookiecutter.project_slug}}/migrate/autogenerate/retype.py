"""Change the type of a column, in the first form that the server accepts on a copy of the table.

The copy has the defaults, constraints and indexes of the table, which may prevent the change.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from alembic.operations import ops
from sqlalchemy import Connection, text
from sqlalchemy.schema import DefaultClause

from migrate.alembic_internals import undoubled
from migrate.autogenerate import trial
from migrate.autogenerate.trial import quoted
from migrate.autogenerate.undo import TYPE

# Objects that prevent the drop of a column or the change of its type, and that the copy does not have.
IN_THE_WAY = text("""
    SELECT DISTINCT pg_describe_object(CASE classid WHEN 'pg_rewrite'::regclass THEN 'pg_class'::regclass
        ELSE classid END, CASE classid WHEN 'pg_rewrite'::regclass THEN ev_class ELSE objid END, 0)
    FROM pg_depend LEFT JOIN pg_rewrite ON classid = 'pg_rewrite'::regclass AND pg_rewrite.oid = objid
    WHERE refclassid = 'pg_class'::regclass AND refobjid = CAST(:table AS regclass)
        AND refobjsubid = (SELECT attnum FROM pg_attribute WHERE attrelid = refobjid AND attname = :column)
        AND classid IN
            ('pg_rewrite'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_proc'::regclass)
    UNION
    SELECT 'generated column ' || quote_ident(a.attname)
    FROM pg_depend JOIN pg_attrdef AS d ON classid = 'pg_attrdef'::regclass AND d.oid = objid
    JOIN pg_attribute AS a ON a.attrelid = adrelid AND a.attnum = adnum
    WHERE refclassid = 'pg_class'::regclass AND refobjid = CAST(:table AS regclass) AND attgenerated <> ''
        AND refobjsubid = (SELECT attnum FROM pg_attribute WHERE attrelid = refobjid AND attname = :column)
        AND a.attname <> :column
    UNION
    SELECT 'the partition key' FROM pg_partitioned_table JOIN pg_attribute ON attrelid = partrelid
    WHERE partrelid = CAST(:table AS regclass) AND attname = :column AND attnum = ANY (partattrs::int2[])
    ORDER BY 1
""")


# Values that casts to other types round or cut, by type: with all digits, a time of day, host bits.
FULL = {
    "integer": "16777217",
    "bigint": "9007199254740993",
    "real": "1.2345678",
    "double precision": "1234567.123456789",
    "numeric": "1234.123456789",
    "timestamp without time zone": "2024-02-03 04:05:06.123456",
    "timestamp with time zone": "2024-02-03 04:05:06.123456",
    "time without time zone": "04:05:06.123456",
    "time with time zone": "04:05:06.123456+01",
    "interval": "1 year 2 days 04:05:06.123456",
    "inet": "10.1.2.3/8",
}

BASE = text("""
    SELECT format_type(coalesce(nullif(typbasetype, 0), oid), NULL) FROM pg_type
    WHERE oid = CAST(to_regtype(:type) AS oid)
""")


@dataclass(frozen=True)
class Form:
    """A form of ALTER TABLE that gives a column its type.

    Attributes:
        actions: the SQL after the name of the table; empty if Alembic's own is right.
        rewrites: whether it rewrites the table.
        alters: whether it rounds or cuts values that the new type cannot hold.
        back: the SQL after the name of the table that restores the old type.
        back_alters: whether that rounds or cuts values.
        using: the expression that makes the new values, if one is needed.
        back_using: the expression that makes the old values again, if one is needed.
    """

    actions: str
    rewrites: bool
    alters: bool
    back: str
    back_alters: bool
    using: str = ""
    back_using: str = ""


def form(
    connection: Connection, change: ops.AlterColumnOp, needed: list[str], dropped: set[str]
) -> Form | None:
    """Return the form that changes a column's type; None if no known form works.

    Args:
        connection: the database.
        change: the change, which has a new type.
        needed: statements that create the new type.
        dropped: the indexes and constraints of the table that are dropped first.
    """
    place = quoted(connection, change.schema, change.table_name)
    old, default = connection.execute(TYPE, {"table": place, "column": change.column_name}).one()
    name = quoted(connection, None, change.column_name)
    type_ = type_of(connection, change)
    with trial.undone(connection):
        for statement in needed:
            trial.run(connection, statement)
        with trial.copied(connection, change.schema, change.table_name, without=dropped) as copy:
            alter = f"ALTER TABLE {copy}"
            # An identity that does not fit the new type is changed or dropped before.
            trial.run(connection, f"{alter} ALTER COLUMN {name} DROP IDENTITY IF EXISTS")
            for actions, using in forms(name, type_, default, new_default(connection, change)):
                rewrites = trial.rewrites(connection, copy, f"{alter} {actions}")
                if rewrites is None:
                    continue
                now = set_default(name, new_default(connection, change))
                trial.run(connection, f"{alter} {now}")
                back = [
                    (
                        f"{actions}, {set_default(name, default)}"
                        if "DEFAULT" not in actions and change.modify_server_default is not False
                        else actions,
                        using,
                    )
                    for actions, using in forms(name, old, new_default(connection, change), default)
                ]
                taken, back_using = next(
                    (each for each in back if trial.run(connection, f"{alter} {each[0]}")), back[0]
                )
                new, before = bare(type_), bare(old)
                losses = alters(connection, before, new), alters(connection, new, before)
                return Form(actions, rewrites, losses[0], taken, losses[1], using, back_using)
    return None


def alters(connection: Connection, old: str, new: str) -> bool:
    """Return whether a cast from one type to another rounds or cuts values, and gives no error."""
    base = str(connection.scalar(BASE, {"type": old}))
    value = FULL.get(base.removesuffix("[]"))
    if value is None:
        return False
    value = f"CAST('{{{value}}}' AS {old})" if base.endswith("[]") else f"CAST('{value}' AS {old})"
    return bool(trial.answer(connection, f"SELECT CAST(CAST({value} AS {new}) AS {old}) <> {value}"))


def type_of(connection: Connection, change: ops.AlterColumnOp) -> str:
    """Return the new type as SQL."""
    assert change.modify_type is not None
    return str(change.modify_type.compile(undoubled(connection.dialect)))


def new_default(connection: Connection, change: ops.AlterColumnOp) -> str | None:
    """Return the column's default after the change, as SQL."""
    default = change.modify_server_default
    if default is False:
        default = change.existing_server_default
    dialect: Any = undoubled(connection.dialect)
    if isinstance(default, DefaultClause):
        return str(dialect.ddl_compiler(dialect, None).render_default_string(default.arg))
    return None


def set_default(name: str, default: str | None) -> str:
    return f"ALTER COLUMN {name} " + (f"SET DEFAULT {default}" if default else "DROP DEFAULT")


def forms(name: str, type_: str, before: str | None, after: str | None) -> Iterator[tuple[str, str]]:
    """Yield the forms, the simplest first, each with its USING expression.

    Args:
        name: the column, as SQL.
        type_: its new type.
        before: its old default.
        after: its new default.
    """
    plain = bare(type_)
    for using in ("", f"{name}::{plain}", f"{name}::text::{plain}"):
        alter = f"ALTER COLUMN {name} TYPE {type_}" + f" USING {using}" * bool(using)
        yield alter, using
        if before:
            back = f", {set_default(name, after)}" if after else ""
            yield f"ALTER COLUMN {name} DROP DEFAULT, {alter}{back}", using


def bare(type_: str) -> str:
    """Return a type without its collation."""
    return type_.split(" COLLATE ")[0]
