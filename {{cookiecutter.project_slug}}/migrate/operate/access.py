"""Check the rights of the two roles: the one that migrates, and the application's."""

from collections.abc import Iterable, Iterator

from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, text

from database import Base
from migrate.autogenerate import load
from migrate.autogenerate.scope import Scope
from migrate.run.versions import version_table

load()  # the models; if they cannot be imported, one line says why

NOT_OURS = text("""
    SELECT c.oid::regclass::text
    FROM unnest(CAST(:schemas AS text[]), CAST(:names AS text[])) AS wanted (schema, name)
    JOIN pg_namespace AS n ON nspname = schema JOIN pg_class AS c ON relnamespace = n.oid AND relname = name
    WHERE NOT pg_has_role(relowner, 'USAGE') ORDER BY 1
""")
# NULL if there is no such schema or role.
MAY = text("""
    SELECT name, has_schema_privilege(pg_roles.oid, pg_namespace.oid, :privilege)
    FROM unnest(CAST(:schemas AS text[])) AS name
    LEFT JOIN pg_namespace ON nspname = name LEFT JOIN pg_roles ON rolname = :role ORDER BY 1
""")
# A role that may not look into others' statistics sees of a replica that it is there, and nothing else.
BLIND = text("""
    SELECT EXISTS (SELECT FROM pg_stat_replication) AND NOT pg_has_role('pg_read_all_stats', 'USAGE')
""")
MAY_CREATE_SCHEMAS = text("SELECT has_database_privilege(current_database(), 'CREATE')")


def check(connection: Connection, config: Config, *, to_head: bool) -> None:
    """Refuse a role that may not change the models' tables.

    Args:
        connection: the database, as that role.
        config: the ini file, which may exclude tables.
        to_head: the database goes to head, so the models say what it will be.

    Raises:
        CommandError: the role may not create a schema, or tables in a schema; or it does not own a table.
    """
    role = connection.scalar(text("SELECT current_user"))
    places = list(_places(connection, config))
    for schema, may in _may(connection, places, role, "CREATE"):
        if may is False:
            raise CommandError(
                f"the role {role} may not create tables in the schema {schema}: "
                "set MIGRATION_DATABASE_URL to the role that owns it"
            )
        if may is None and to_head and not connection.scalar(MAY_CREATE_SCHEMAS):
            raise CommandError(
                f"the role {role} may not create the schema {schema}: GRANT CREATE ON DATABASE to it, or "
                "create the schema for it"
            )
    schemas, names = zip(*places, strict=True)
    if others := connection.scalars(NOT_OURS, {"schemas": list(schemas), "names": list(names)}).all():
        raise CommandError(
            f"the role {role} does not own {', '.join(others)}, and could not change them: "
            "set MIGRATION_DATABASE_URL to the role that does"
        )


def closed(connection: Connection, config: Config, role: str | None) -> list[str]:
    """Return the models' schemas that a role may not use."""
    places = _places(connection, config)
    return [schema for schema, may in _may(connection, places, role, "USAGE") if may is False]


def is_blind(connection: Connection) -> bool:
    """Whether a replica follows, and the connection's role does not see how far it is behind."""
    return bool(connection.scalar(BLIND))


def _may(
    connection: Connection, places: Iterable[tuple[str, str]], role: str | None, privilege: str
) -> list[tuple[str, bool | None]]:
    schemas = sorted({schema for schema, _ in places})
    values = {"role": role, "privilege": privilege, "schemas": schemas}
    return [(schema, may) for schema, may in connection.execute(MAY, values)]


def _places(connection: Connection, config: Config) -> Iterator[tuple[str, str]]:
    """Yield the compared tables, and Alembic's own, by schema and name."""
    scope = Scope(config.get_main_option("exclude_tables", ""))
    tables = Base.metadata.sorted_tables
    scope.look(connection, tables)
    own = version_table(config)
    yield scope.place(own["version_table_schema"], str(own["version_table"]))
    for table in tables:
        if not scope.left_alone(table.schema, table.name):
            yield scope.place(table.schema, table.name)
