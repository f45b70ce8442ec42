"""Write and compare the comments of constraints: Alembic does neither."""

import logging
from collections.abc import Iterable, Iterator

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import Connection, Constraint, ForeignKeyConstraint, PrimaryKeyConstraint, Table, text

from migrate.alembic_internals import final_name, made
from migrate.autogenerate import trial
from migrate.autogenerate.changes import name_of
from migrate.autogenerate.definitions import by_name, meant
from migrate.autogenerate.operations import ADDED, AutocommitBlock, Rank, Statement

log = logging.getLogger(__name__)

COMMENTS = text("""
    SELECT conname::text, obj_description(oid, 'pg_constraint') FROM pg_constraint
    WHERE conrelid = CAST(:table AS regclass) AND contype IN ('c', 'f', 'p', 'u', 'x')
""")


def compare(
    context: AutogenContext,
    changes: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    present: Table | None,
    model: Table | None,
) -> PriorityDispatchResult:
    """Say which constraint each change adds, and add the comments that differ of the others."""
    if present is None or model is None:
        return PriorityDispatchResult.CONTINUE
    connection = context.connection
    assert connection is not None
    place = trial.quoted(connection, schema, name)
    comments = {row[0]: row[1] for row in connection.execute(COMMENTS, {"table": place})}
    links = {meant(key): key.name for key in present.foreign_key_constraints}
    adding = {name_of(op): op for op in changes.ops if isinstance(op, ops.AddConstraintOp)}
    added = [op.info[ADDED] for op in changes.ops if ADDED in op.info]
    for item in by_name(each for each in model.constraints if made(each, connection.dialect)):
        if op := adding.get(str(item.name)):
            op.info[ADDED] = item
            continue
        known = str(final_name(item, connection.dialect))
        if known not in comments and isinstance(item, PrimaryKeyConstraint):
            known = str(present.primary_key.name)
        elif known not in comments and isinstance(item, ForeignKeyConstraint):
            known = str(links.get(meant(item)))
        new = item.comment or None
        if item not in added and comments.get(known, new) != new:
            log.info("Detected comment of constraint %r on %r", known, name)
            sql = [comment(connection, place, known, each) for each in (new, comments[known])]
            changes.ops.append(Statement(*sql, rank=Rank.ADD_CONSTRAINT))
    return PriorityDispatchResult.CONTINUE


def comment(connection: Connection, table: str, name: str, said: str | None) -> str:
    """Return the statement that gives a constraint its comment."""
    value = trial.literal(said) if said else "NULL"
    return f"COMMENT ON CONSTRAINT {trial.quoted(connection, None, name)} ON {table} IS {value}"


def commented(
    operations: Iterable[ops.MigrateOperation], connection: Connection
) -> Iterator[ops.MigrateOperation]:
    """Yield operations, and after each of them the comments of the constraints that it adds."""
    for op in operations:
        if isinstance(op, AutocommitBlock):
            op.operations = list(commented(op.operations, connection))
        yield op
        items = op.columns if isinstance(op, ops.CreateTableOp) else [op.info.get(ADDED)]
        for item in by_name(each for each in items if isinstance(each, Constraint) and each.comment):
            place = trial.quoted(connection, item.table.schema, item.table.name)
            yield Statement(
                comment(connection, place, str(final_name(item, connection.dialect)), item.comment)
            )


def setup(plugin: Plugin) -> None:
    """Register the comparator, after those that add constraints."""
    plugin.add_autogenerate_comparator(
        compare, "table", "constraint comments", qualifier="postgresql", priority=DispatchPriority.LAST
    )
