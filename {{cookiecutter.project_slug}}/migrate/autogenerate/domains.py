"""Compare domains: Alembic does not. A difference is refused: any table may use the domain."""

import logging
from copy import copy

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import PriorityDispatchResult
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import DOMAIN, CreateDomainType

from migrate.autogenerate import trial
from migrate.autogenerate.enums import compared, named_types
from migrate.autogenerate.operations import Refused

log = logging.getLogger(__name__)

# What follows AS in CREATE DOMAIN, without the names of the constraints.
DEFINITION = text("""
    SELECT concat_ws(' ', format_type(t.typbasetype, t.typtypmod),
        CASE WHEN t.typcollation <> base.typcollation THEN 'COLLATE ' || t.typcollation::regcollation END,
        'DEFAULT ' || pg_get_expr(t.typdefaultbin, 'pg_type'::regclass),
        CASE WHEN t.typnotnull THEN 'NOT NULL' END,
        (SELECT string_agg(rule, ' ' ORDER BY rule) FROM pg_constraint AS c,
            regexp_replace(pg_get_constraintdef(c.oid), ' NOT VALID$', '') AS rule
            WHERE contypid = t.oid AND contype = 'c'))
    FROM pg_type AS t JOIN pg_type AS base ON base.oid = t.typbasetype
    WHERE t.oid = to_regtype(:name) AND t.typtype = 'd'
""")


def compare(context: AutogenContext, changes: ops.UpgradeOps) -> PriorityDispatchResult:
    """Refuse each domain that the database has otherwise than the models."""
    connection = context.connection
    assert connection is not None
    domains = {
        trial.quoted(connection, type_.schema, str(type_.name)): type_
        for table in compared(context)
        for column in table.columns
        for type_ in named_types(column.type, connection.dialect)
        if isinstance(type_, DOMAIN) and type_.create_type
    }
    for name, domain in sorted(domains.items()):
        present = connection.scalar(DEFINITION, {"name": name})
        wanted = _modelled(connection, domain)
        if not present or not wanted or present == wanted:
            continue
        # The server may print another form after it has read its own output.
        if _again(connection, present) == _again(connection, wanted):
            continue
        log.info("Detected changed domain %s", name)
        changes.ops.append(
            Refused(
                f"domain {name}: the database has it as {present}, the models have it as {wanted}. "
                "Autogenerate changes no domain: write the revision by hand, with ALTER DOMAIN; add a CHECK "
                "as NOT VALID, and validate it in the next revision. A domain that is not the models' "
                "business has create_type=False in them"
            )
        )
    return PriorityDispatchResult.CONTINUE


def _modelled(connection: Connection, domain: DOMAIN) -> str | None:
    """Return the definition of a model's domain as the server prints it; None if it refuses it."""
    temporary = copy(domain)
    temporary.schema = trial.SCHEMA
    return _created(connection, trial.sql(connection, CreateDomainType(temporary)), str(domain.name))


def _again(connection: Connection, definition: str) -> str | None:
    """Return a definition as the server prints it after it has read it."""
    return _created(connection, f"CREATE DOMAIN {trial.SCHEMA}.again AS {definition}", "again")


def _created(connection: Connection, statement: str, name: str) -> str | None:
    with trial.undone(connection):
        trial.run(connection, statement)
        place = {"name": trial.quoted(connection, trial.SCHEMA, name)}
        return str(connection.scalar(DEFINITION, place) or "") or None


def setup(plugin: Plugin) -> None:
    """Register the comparator."""
    plugin.add_autogenerate_comparator(compare, "autogenerate", "domains")
