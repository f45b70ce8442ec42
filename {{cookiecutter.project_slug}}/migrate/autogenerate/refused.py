"""Say which definitions of the models PostgreSQL refuses, before a revision fails with them."""

from collections.abc import Iterator

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import CommandError, DispatchPriority, PriorityDispatchResult
from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import DBAPIError

from migrate.autogenerate import trial
from migrate.autogenerate.changes import table_of
from migrate.autogenerate.enums import AddedLabel, compared, flat
from migrate.autogenerate.operations import Remark
from migrate.autogenerate.sound import where
from migrate.autogenerate.states import tables

# What no other object can mend: a value too long or out of range, a bad parameter of a type, a syntax
# error, no such column, and types that a foreign key cannot link.
CERTAIN = (*trial.UNFIT, "22023", "42601", "42703")
NOT_LINKED = "42804"

# The extensions that are not found without the name of their schema.
HIDDEN = text("""
    SELECT extname::text, nspname::text FROM pg_extension JOIN pg_namespace AS n ON n.oid = extnamespace
    WHERE nspname <> ALL (current_schemas(true)) ORDER BY extname
""")


def compare(context: AutogenContext, changes: ops.UpgradeOps) -> PriorityDispatchResult:
    """Ask the server about the tables that change; what else may mend is a remark.

    Raises:
        CommandError: the server refuses a definition, and nothing else can mend that.
    """
    connection, default = context.connection, context.dialect.default_schema_name
    assert connection is not None
    found = list(flat(changes))
    touched = {(schema or default, name) for schema, name in map(table_of, found)}
    with trial.undone(connection):
        lacking = [statement for statement in tables(context).needed if not trial.run(connection, statement)]
        # What the role may not create, or not use before it is committed, may be what is lacking.
        unknown = lacking or any(isinstance(op, AddedLabel) for op in found)
        for table in compared(context):
            if (table.schema or default, table.name) not in touched:
                continue
            place = where(table)
            for what, error in refusals(connection, table):
                said = f"PostgreSQL refuses {what} of {table.fullname}: {str(error.orig).splitlines()[0]}"
                state = getattr(error.orig, "sqlstate", None)
                if state in CERTAIN or what.startswith("the foreign key"):
                    raise CommandError(f"{place}{said}")
                if not unknown:
                    what_to_do = hidden(connection, table, what, error) or (
                        "Create what it lacks at the beginning of this revision, or correct it in "
                        f"{place.rstrip(': ') or 'the models'} and write the revision anew."
                    )
                    changes.ops.append(Remark(f"fails as it stands: {said}. {what_to_do}"))
    return PriorityDispatchResult.CONTINUE


def refusals(connection: Connection, table: Table) -> Iterator[tuple[str, DBAPIError]]:
    """Yield what the server refuses of a table, with why."""
    yield from trial.refused(connection, table).items()
    for key in sorted(table.foreign_keys, key=str):
        child, parent = (trial.type_of(connection, column) for column in (key.parent, key.column))
        error = trial.unlinked(connection, child, parent)
        if error and getattr(error.orig, "sqlstate", None) == NOT_LINKED:
            yield f"the foreign key on {key.parent.name} to {key.target_fullname}", error


def hidden(connection: Connection, table: Table, what: str, error: DBAPIError) -> str | None:
    """Return what to do if the server refuses a part of a table because it does not find an extension."""
    if getattr(error.orig, "sqlstate", None) not in trial.UNKNOWN:
        return None
    for extension, schema in connection.execute(HIDDEN).all():
        with trial.undone(connection):
            connection.execute(trial.ALSO_FOUND, {"schema": schema})
            found = what not in dict(refusals(connection, table))
        if found:
            return (
                f"The extension {extension} is in the schema {schema}, which is not in the search_path: add "
                "it there (ALTER DATABASE … SET search_path), or name the schema in the models."
            )
    return None


def setup(plugin: Plugin) -> None:
    """Register the comparator, after all others."""
    plugin.add_autogenerate_comparator(compare, "autogenerate", "refused", priority=DispatchPriority.LAST)
