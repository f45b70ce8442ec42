"""Compare what the views of the models select, as the server prints it: Alembic does not."""

import logging

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import Connection, text

from migrate.alembic_internals import undoubled
from migrate.autogenerate import trial
from migrate.autogenerate.operations import Remark, Statement
from migrate.autogenerate.required import views_of
from migrate.autogenerate.states import tables

log = logging.getLogger(__name__)

VIEW = text("""
    SELECT rtrim(pg_get_viewdef(oid), ';'),
        coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', '') || ' AS '
    FROM pg_class WHERE oid = to_regclass(:view) AND relkind IN ('v', 'm')
""")


def compare(context: AutogenContext, changes: ops.UpgradeOps) -> PriorityDispatchResult:
    """Replace the views that select otherwise in the models, or say that PostgreSQL cannot replace them."""
    connection = context.connection
    assert connection is not None
    literal = {"literal_binds": True}
    if not (views := list(views_of(context))):
        return PriorityDispatchResult.CONTINUE
    with trial.undone(connection):
        for statement in tables(context).needed:
            trial.run(connection, statement)
        for view in views:
            name = trial.quoted(connection, view.table.schema, view.table.name)
            wanted = str(
                view.selectable.compile(dialect=undoubled(connection.dialect), compile_kwargs=literal)
            )
            row = connection.execute(VIEW, {"view": name}).one_or_none()
            if row is None or form(connection, row[0]) == form(connection, wanted):
                continue
            log.info("Detected changed view %s", name)
            up, down = (f"CREATE OR REPLACE VIEW {name}{row[1]}{select}" for select in (wanted, row[0]))
            with trial.undone(connection):
                replaced = trial.run(connection, up) and trial.run(connection, down)
            changes.ops.append(
                Statement(up, down)
                if replaced
                else Remark(
                    f"the view {name} selects otherwise than in the models, and PostgreSQL cannot replace it "
                    "as it is: drop it before the other lines of this revision, and create it after them; in "
                    "the downgrade, the other way round."
                )
            )
    return PriorityDispatchResult.CONTINUE


def form(connection: Connection, select: str) -> str | None:
    """Return a SELECT as the server prints it after it has read its own output; None if it refuses it."""
    view = f"{trial.SCHEMA}.again"
    for _ in range(2):
        with trial.undone(connection):
            if not trial.run(connection, f"CREATE VIEW {view} AS {select}"):
                return None
            select = connection.execute(VIEW, {"view": view}).one()[0]
    return select


def setup(plugin: Plugin) -> None:
    """Register the comparator, after all others."""
    plugin.add_autogenerate_comparator(compare, "autogenerate", "views", priority=DispatchPriority.LAST)
