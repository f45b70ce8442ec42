"""How a column gets another type: the first form that the server takes, on a copy of the table.

The copy has the defaults, constraints and indexes of the table, which may stand in the way.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from alembic.operations import ops
from sqlalchemy import Connection, text
from sqlalchemy.schema import DefaultClause

from migrate.alembic_internals import undoubled
from migrate.autogenerate import trial
from migrate.autogenerate.trial import quoted

# What keeps a column's type as it is, and no copy of the table has.
IN_THE_WAY = text("""
    SELECT DISTINCT pg_describe_object(CASE classid WHEN 'pg_rewrite'::regclass THEN 'pg_class'::regclass
        ELSE classid END, CASE classid WHEN 'pg_rewrite'::regclass THEN ev_class ELSE objid END, 0)
    FROM pg_depend LEFT JOIN pg_rewrite ON classid = 'pg_rewrite'::regclass AND pg_rewrite.oid = objid
    WHERE refclassid = 'pg_class'::regclass AND refobjid = CAST(:table AS regclass)
        AND refobjsubid = (SELECT attnum FROM pg_attribute WHERE attrelid = refobjid AND attname = :column)
        AND classid IN ('pg_rewrite'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass)
    UNION
    SELECT 'generated column ' || quote_ident(a.attname)
    FROM pg_depend JOIN pg_attrdef AS d ON classid = 'pg_attrdef'::regclass AND d.oid = objid
    JOIN pg_attribute AS a ON a.attrelid = adrelid AND a.attnum = adnum
    WHERE refclassid = 'pg_class'::regclass AND refobjid = CAST(:table AS regclass) AND attgenerated <> ''
        AND refobjsubid = (SELECT attnum FROM pg_attribute WHERE attrelid = refobjid AND attname = :column)
        AND a.attname <> :column
    ORDER BY 1
""")


@dataclass(frozen=True)
class Form:
    """A form of ALTER TABLE that gives a column its type.

    Attributes:
        actions: what follows the name of the table; empty where Alembic's own does.
        rewrites: whether every row is written anew.
        using: how the values are made of the old ones, where it has to be said.
    """

    actions: str
    rewrites: bool
    using: str = ""


def form(
    connection: Connection, change: ops.AlterColumnOp, needed: list[str], dropped: set[str]
) -> Form | None:
    """Return how a column gets its type, None where no form is known that works.

    Args:
        connection: the database.
        change: the change, which has a type.
        needed: statements that make the new type.
        dropped: the indexes and constraints of the table that are dropped before.
    """
    with trial.undone(connection):
        for statement in needed:
            trial.run(connection, statement)
        with trial.copied(connection, change.schema, change.table_name, without=dropped) as copy:
            for actions, using in forms(connection, change):
                rewrites = trial.rewrites(connection, copy, f"ALTER TABLE {copy} {actions}")
                if rewrites is not None:
                    return Form(actions, rewrites, using)
    return None


def forms(connection: Connection, change: ops.AlterColumnOp) -> Iterator[tuple[str, str]]:
    """Yield the forms, from the simplest on, and how each makes the values."""
    assert change.modify_type is not None
    dialect = undoubled(connection.dialect)
    name = quoted(connection, None, change.column_name)
    type_ = change.modify_type.compile(dialect)
    bare = type_.split(" COLLATE ")[0]
    default = change.modify_server_default
    if default is False:
        default = change.existing_server_default
    default_sql = (
        dialect.ddl_compiler(dialect, None).render_default_string(default.arg)  # type: ignore[arg-type]
        if isinstance(default, DefaultClause)
        else ""
    )
    for using in ("", f"{name}::{bare}", f"{name}::text::{bare}"):
        alter = f"ALTER COLUMN {name} TYPE {type_}" + f" USING {using}" * bool(using)
        yield alter, using
        if isinstance(change.existing_server_default, DefaultClause):
            back = f", ALTER COLUMN {name} SET DEFAULT {default_sql}" if default_sql else ""
            yield f"ALTER COLUMN {name} DROP DEFAULT, {alter}{back}", using
