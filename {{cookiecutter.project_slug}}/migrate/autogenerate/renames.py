"""Rename, with a table or a column, the objects that are named after it.

Their definitions are the same before and after: the server prints them for a copy with the new names.
"""

from collections.abc import Iterator

from alembic.operations import ops
from sqlalchemy import Connection, ForeignKeyConstraint, Table

from migrate.alembic_internals import final_name
from migrate.autogenerate import trial
from migrate.autogenerate.catalogue import Definition, Key, state
from migrate.autogenerate.sources import usual_name
from migrate.autogenerate.trial import quoted

Pair = tuple[str, str]  # the old name and the new one


def of_columns(
    connection: Connection, schema: str | None, table: str, model: Table, columns: list[Pair]
) -> list[tuple[str, Pair]]:
    """Return the indexes and constraints to rename with columns: of each its kind, and its names.

    Args:
        connection: the database.
        schema: where the table is.
        table: its name.
        model: the table as the models have it.
        columns: the old and new names of the columns.
    """
    wanted, again = trial.modelled(connection, model)
    with trial.copied(connection, schema, table) as copy:
        for old, new in columns:
            names = (quoted(connection, None, name) for name in (old, new))
            trial.run(connection, "ALTER TABLE {} RENAME COLUMN {} TO {}".format(copy, *names))
        return matched(state(connection, copy).definitions, wanted.definitions | again)


def of_table(connection: Connection, op: ops.DropTableOp, model: Table) -> list[tuple[str, Pair]]:
    """Return the objects to rename with a table that becomes a model's table."""
    wanted, again = trial.modelled(connection, model)
    with trial.copied(connection, op.schema, op.table_name) as copy:
        found = matched(state(connection, copy).definitions, wanted.definitions | again)
    present = state(connection, quoted(connection, op.schema, op.table_name))
    for name, column in present.columns.items():
        names = usual_name(op.table_name, name), usual_name(model.name, name)
        if column.sequence and column.sequence.endswith(quoted(connection, None, names[0])):
            found.append(("sequence", names))
    new = {columns(key): key for key in model.constraints if isinstance(key, ForeignKeyConstraint)}
    for key in op.to_table().constraints:
        if isinstance(key, ForeignKeyConstraint) and columns(key) in new:
            new_name = final_name(new[columns(key)], connection.dialect)
            if new_name and key.name and new_name != key.name:
                found.append(("constraint", (str(key.name), new_name)))
    return found


def columns(key: ForeignKeyConstraint) -> tuple[str, ...]:
    return tuple(column.name for column in key.columns)


def matched(old: dict[Key, Definition], new: dict[Key, Definition]) -> list[tuple[str, Pair]]:
    """Return the pairs of names whose definitions are the same."""
    known = {(key.kind, definition): key.name for key, definition in new.items() if key not in old}
    return [
        ("index" if key.kind == "index" else "constraint", (key.name, known[key.kind, definition]))
        for key, definition in old.items()
        if key not in new and (key.kind, definition) in known
    ]


def statements(
    connection: Connection,
    schema: str | None,
    table: str,
    found: list[tuple[str, Pair]],
    *,
    back: bool = False,
) -> Iterator[str]:
    """Yield the statements that rename, or that undo it.

    Args:
        connection: the database.
        schema: the schema of the table.
        table: its name when they run.
        found: the objects to rename.
        back: undo: the new names become the old ones.
    """
    for kind, (old, new) in found:
        now, then = (new, old) if back else (old, new)
        if kind == "constraint":
            place = (
                f"TABLE {quoted(connection, schema, table)} RENAME CONSTRAINT {quoted(connection, None, now)}"
            )
        else:
            place = f"{kind.upper()} {quoted(connection, schema, now)} RENAME"
        yield f"ALTER {place} TO {quoted(connection, None, then)}"
